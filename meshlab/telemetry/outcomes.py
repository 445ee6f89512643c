"""What a request's code, gRPC status and flags say: one table of facts for every question.

Sources: envoyproxy.io, "Access logging", response flags; grpc.io, "Status codes and their use in gRPC"; OpenTelemetry's
semantic conventions, which gRPC statuses are a server's errors; istio.io, "Traffic management", default retry policy
(``connect-failure,refused-stream,unavailable,cancelled``, and until 1.23 answers of 503). Which of these facts count as
an error is a setting (`is_error`), not a fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = [
    "DEFAULT_ERRORS",
    "FLAGS",
    "GRPC",
    "SERVER_STATUSES",
    "Arrived",
    "Fault",
    "Flag",
    "Outcome",
    "describe",
    "errors",
    "flagged",
    "is_error",
    "never_arrived",
    "outcome",
    "retried",
    "unanswered",
    "where",
]


class Arrived(StrEnum):
    """Whether a request reached the called application."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Whose fault an outcome is."""

    NOBODY = "nobody"
    """It succeeded."""
    CLIENT = "client"
    """The request was wrong, not allowed, or its caller went away."""
    SERVER = "server"
    """The called service failed, or was not there."""
    MESH = "mesh"
    """A proxy refused it, or did not know where to send it: limits, policies, routes."""
    INJECTED = "injected"
    """A fault filter made it fail."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What one of Envoy's response flags says.

    Parameters
    ----------
    meaning : str
    arrived : Arrived
    fault : Fault
    retried : bool
        Whether Istio's default policy tries such a request again.
    injected : bool
        Whether a fault filter had a part in it.
    """

    meaning: str
    arrived: Arrived
    fault: Fault
    retried: bool = False
    injected: bool = False


_NO, _YES, _UNKNOWN = Arrived.NO, Arrived.YES, Arrived.UNKNOWN

FLAGS: Final = MappingProxyType(
    {
        "UH": Flag("no healthy host", _NO, Fault.SERVER),
        "UF": Flag("connection to the server failed", _NO, Fault.SERVER, retried=True),
        # Envoy sets it as well where the breaker refused a retry: the try before had arrived.
        "UO": Flag("circuit breaker open", _UNKNOWN, Fault.MESH),
        "NR": Flag("no route", _NO, Fault.MESH),
        "NC": Flag("no such cluster", _NO, Fault.MESH),
        "NFCF": Flag("no filter configuration", _NO, Fault.MESH),
        "DF": Flag("the host's name was not resolved", _NO, Fault.MESH),
        "DO": Flag("dropped by the load balancer", _NO, Fault.MESH),
        "UDO": Flag("dropped by the load balancer, as configured", _NO, Fault.MESH),
        "OM": Flag("the proxy is overloaded", _NO, Fault.MESH),
        "FI": Flag("aborted by a fault filter", _NO, Fault.INJECTED, injected=True),
        "DI": Flag("delayed by a fault filter", _UNKNOWN, Fault.NOBODY, injected=True),
        "RL": Flag("rate limited", _NO, Fault.MESH),
        "RLSE": Flag("the rate limit service failed", _NO, Fault.MESH),
        "UAEX": Flag("refused by the external authorization service", _NO, Fault.CLIENT),
        "IH": Flag("a header was not valid", _NO, Fault.CLIENT),
        "DPE": Flag("the caller broke the protocol", _UNKNOWN, Fault.CLIENT),
        "DENY": Flag("refused by an authorization policy", _NO, Fault.CLIENT),
        "RFCF": Flag("answered from the cache", _NO, Fault.NOBODY),
        "LH": Flag("the proxy's health check says unhealthy", _NO, Fault.SERVER),
        "DC": Flag("the caller went away", _UNKNOWN, Fault.CLIENT),
        "DR": Flag("the caller reset the stream", _UNKNOWN, Fault.CLIENT),
        "DT": Flag("longer than the longest duration of callers' connections", _UNKNOWN, Fault.MESH),
        "UT": Flag("timed out", _YES, Fault.SERVER),
        "SI": Flag("the stream was idle too long", _UNKNOWN, Fault.SERVER),
        "UMSDR": Flag("the stream took too long", _YES, Fault.SERVER),
        "UC": Flag("the server closed the connection", _YES, Fault.SERVER),
        "UR": Flag("the server reset the stream", _YES, Fault.SERVER, retried=True),
        "LR": Flag("the connection was reset locally", _UNKNOWN, Fault.SERVER),
        "UPE": Flag("the server broke the protocol", _YES, Fault.SERVER),
        "URX": Flag("all tries were used up", _UNKNOWN, Fault.SERVER, retried=True),
    }
)
"""Envoy's response flags. Several may stand together, apart by commas."""


@dataclass(frozen=True, slots=True)
class GrpcStatus:
    """What a gRPC status says."""

    name: str
    fault: Fault
    retried: bool = False


GRPC: Final = MappingProxyType(
    {
        "0": GrpcStatus("OK", Fault.NOBODY),
        "1": GrpcStatus("CANCELLED", Fault.CLIENT, retried=True),
        "2": GrpcStatus("UNKNOWN", Fault.SERVER),
        "3": GrpcStatus("INVALID_ARGUMENT", Fault.CLIENT),
        "4": GrpcStatus("DEADLINE_EXCEEDED", Fault.SERVER),
        "5": GrpcStatus("NOT_FOUND", Fault.CLIENT),
        "6": GrpcStatus("ALREADY_EXISTS", Fault.CLIENT),
        "7": GrpcStatus("PERMISSION_DENIED", Fault.CLIENT),
        "8": GrpcStatus("RESOURCE_EXHAUSTED", Fault.SERVER),
        "9": GrpcStatus("FAILED_PRECONDITION", Fault.CLIENT),
        "10": GrpcStatus("ABORTED", Fault.CLIENT),
        "11": GrpcStatus("OUT_OF_RANGE", Fault.CLIENT),
        "12": GrpcStatus("UNIMPLEMENTED", Fault.SERVER),
        "13": GrpcStatus("INTERNAL", Fault.SERVER),
        "14": GrpcStatus("UNAVAILABLE", Fault.SERVER, retried=True),
        "15": GrpcStatus("DATA_LOSS", Fault.SERVER),
        "16": GrpcStatus("UNAUTHENTICATED", Fault.CLIENT),
    }
)
"""gRPC's statuses by number."""

SERVER_STATUSES: Final = frozenset(number for number, status in GRPC.items() if status.fault is Fault.SERVER)
"""gRPC statuses that are the server's fault."""

DEFAULT_ERRORS: Final = "5xx, 429, 0, grpc server"
"""What counts as an error unless a setting says otherwise: 5xx, too many requests, no answer at all (unless the caller
went away), and gRPC's statuses that are the server's fault."""

_GONE: Final = frozenset({"DC", "DR"})
"""Flags of callers that went away before there was an answer."""

_EXAMPLE: Final = f'write codes, classes, gRPC statuses or flags, such as error_codes = "{DEFAULT_ERRORS}, flag RL"'
_NOTHING: Final = frozenset({"", "unknown", "-"})
_ANSWERED: Final = re.compile(r"[123](\d\d|xx)")
_COLUMNS: Final = ("code", "grpc_status", "flags")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    Parameters
    ----------
    arrived : Arrived
    fault : Fault
    retried : bool
        Whether Istio's default policy tries it again.
    injected : bool
        Whether a fault filter had a part in it.
    """

    arrived: Arrived
    fault: Fault
    retried: bool
    injected: bool


@lru_cache(maxsize=4_096)
def outcome(code: str, grpc_status: str = "", flags: str = "") -> Outcome:
    """The facts about one outcome.

    Parameters
    ----------
    code : str
        HTTP's, or its class (``5xx``); empty or ``0``: there was no answer.
    grpc_status : str
        A number; empty where it is not gRPC.
    flags : str
        Envoy's, apart by commas; those that are not in `FLAGS` say nothing.
    """
    known = [FLAGS[flag] for flag in _split(flags) if flag in FLAGS]
    status = GRPC.get(grpc_status)
    says = {flag.arrived for flag in known}
    answered = code not in ("0", *_NOTHING) or status is not None
    well = _ANSWERED.fullmatch(code) is not None
    # What succeeded did arrive, though a proxy delayed it or its caller went away meanwhile.
    arrived = _NO if _NO in says else _YES if _YES in says or well or (answered and not says) else _UNKNOWN
    # An answer of the application's own, that is: a flag marks what a proxy made itself.
    retried = any(flag.retried for flag in known) or bool(status and status.retried) or (code == "503" and not known)
    return Outcome(arrived, _fault(code, status, known), retried, any(flag.injected for flag in known))


def _fault(code: str, status: GrpcStatus | None, flags: Sequence[Flag]) -> Fault:
    well = _ANSWERED.fullmatch(code) is not None
    if well and (status is None or status.fault is Fault.NOBODY):
        return Fault.NOBODY
    faults = {flag.fault for flag in flags} - {Fault.NOBODY}
    # Who made it fail outweighs what it looked like from outside.
    for fault in (Fault.INJECTED, Fault.MESH, Fault.CLIENT, Fault.SERVER):
        if fault in faults:
            return fault
    if any(flag.injected for flag in flags):
        return Fault.INJECTED
    if status is not None and status.fault is not Fault.NOBODY:
        return status.fault
    # Its own limit refused what the caller may well ask for.
    return Fault.CLIENT if code.startswith("4") and code != "429" else Fault.SERVER


def _is_unanswered(code: str, grpc_status: str) -> bool:
    # A gRPC call may have no code: then its status says what happened.
    return code == "0" or (code in _NOTHING and grpc_status in _NOTHING)


def _split(flags: str) -> list[str]:
    return [flag.strip() for flag in flags.split(",")]


@lru_cache(maxsize=64)
def errors(text: str = DEFAULT_ERRORS) -> Callable[[str, str, str], bool]:
    """From what counts as an error, as it is typed, to a function of code, gRPC status and flags.

    Parameters
    ----------
    text : str
        Apart by commas: codes (``429``) and classes (``5xx``), ``0`` (no answer, unless the caller went away),
        ``grpc 8``, ``grpc RESOURCE_EXHAUSTED`` or ``grpc server`` (all that are the server's fault), ``flag RL``.

    Raises
    ------
    ParameterError
        One of them is none of these, or there is none.
    """
    codes: set[str] = set()
    statuses: set[str] = set()
    wanted: set[str] = set()
    numbers = {status.name: number for number, status in GRPC.items()}
    words = [part.strip() for part in text.split(",") if part.strip()]
    if not words:
        raise ParameterError("error_codes is empty, so that nothing would be an error", _EXAMPLE)
    for word in words:
        kind, _, value = word.rpartition(" ")
        kind, value = kind.strip().lower(), value.strip()
        if not kind and re.fullmatch(r"[1-5](\d\d|xx)|0", value):
            codes.add(value)
        elif kind == "grpc" and value.lower() == "server":
            statuses |= SERVER_STATUSES
        elif kind == "grpc" and (value in GRPC or value.upper() in numbers):
            statuses.add(numbers.get(value.upper(), value))
        elif kind == "flag" and value.upper() in FLAGS:
            wanted.add(value.upper())
        else:
            raise ParameterError(f"error_codes has {plain(word)!r}, which is no outcome", _EXAMPLE)

    def counts(code: str, grpc_status: str, flags: str) -> bool:
        own = _split(flags)
        if _is_unanswered(code, grpc_status) and "0" in codes and not _GONE & {*own}:
            return True
        matching = {code, f"{code[:1]}xx"} & codes - {"0"}
        return bool(matching or wanted & {*own}) or grpc_status in statuses

    return counts


def where(frame: pd.DataFrame, holds: Callable[[str, str, str], bool]) -> pd.Series[bool]:
    """Which rows' outcomes fulfil a condition; each distinct outcome is looked at once.

    Parameters
    ----------
    frame : DataFrame
        With ``code``, ``grpc_status`` and ``flags``; one that is absent is empty.
    holds : function of code, gRPC status and flags to bool
    """
    key = np.zeros(len(frame), np.int64)
    columns = [frame[name].astype(str) if name in frame else pd.Series("", frame.index) for name in _COLUMNS]
    for column in columns:
        number, values = pd.factorize(column)
        key = key * len(values) + number
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    distinct = zip(*(column.iloc[first] for column in columns), strict=True)
    return pd.Series(np.array([holds(*each) for each in distinct], np.bool_)[group], frame.index, dtype=bool)


def is_error(frame: pd.DataFrame, text: str = DEFAULT_ERRORS) -> pd.Series[bool]:
    """Which rows count as errors; see `errors` and `where`."""
    return where(frame, errors(text))


def never_arrived(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows surely reached no application; see `where`."""
    return where(frame, lambda *each: outcome(*each).arrived is Arrived.NO)


def unanswered(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows had no answer at all, whoever hung up; see `where`."""
    return where(frame, lambda code, status, _flags: _is_unanswered(code, status))


def retried(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows Istio's default policy tries again; see `where`."""
    return where(frame, lambda *each: outcome(*each).retried)


def flagged(frame: pd.DataFrame, *wanted: str) -> pd.Series[bool]:
    """Which rows bear one of some flags; see `where`."""
    return where(frame, lambda _code, _status, flags: not set(_split(flags)).isdisjoint(wanted))


def describe(counts: pd.DataFrame, most: int = 3) -> str:
    """The commonest outcomes in words, harmless to print: ``503 UH, no healthy host``.

    Parameters
    ----------
    counts : DataFrame
        With ``code``, ``flags`` and ``count``.
    most : int
        How many are named.
    """
    sums = counts.groupby(["code", "flags"])["count"].sum().sort_values(ascending=False)
    said = []
    for code, flags in sums.index[:most]:
        known = [FLAGS[flag].meaning for flag in _split(str(flags)) if flag in FLAGS]
        words = " ".join(word for word in (str(code), str(flags)) if word not in _NOTHING)
        said.append(", ".join([plain(words or "no answer"), *known[:1]]))
    return "; ".join(said)
