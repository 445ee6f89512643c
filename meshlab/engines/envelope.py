"""The envelope around every answer of a Prometheus API: what it holds, and what it says when it says no."""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

import msgspec

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery, Refused, TooMuch

__all__ = ["Envelope", "open_envelope", "unreadable"]

T = TypeVar("T")
_QUERY_AT_FAULT: Final = ("bad_data", "execution", "400", "422")
"""Kinds of error: Prometheus's words, and the status numbers that VictoriaMetrics writes in their place."""
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\{[^{}]*\}|`[^`]*`')
"""Parts of a query that an error repeats: a metric may be called ``memory_limit``."""
_UNREAD: Final = re.compile(r"parse error|cannot parse|unsupported", re.IGNORECASE)
_LIMIT: Final = re.compile(r"too many|too long|too large|limit|exceed|maximum", re.IGNORECASE)
_LESS_IS_NO_CURE: Final = re.compile(
    r"too many (outstanding|concurrent|queued)|concurrent requests are executed|in.?flight|before starting"
    r"|rate[ -]limit|request[ -]rate|err-mimir-tenant-max-request-rate"
    r"|err-mimir-max-query-expression|raw query size|too long query|maxQueryLen|query was canceled",
    re.IGNORECASE,
)
"""Limits on how often or with how long a text one asks: smaller pieces would not help."""
_OVER: Final = re.compile(
    "|".join(
        (
            # Prometheus
            r"too many samples|maximum resolution of [\d,]+ points|timed out|deadline exceeded|exceeded sample limit",
            # Thanos, Cortex, Mimir, Amazon
            r"exceeded \w+ limit|limit \d+ (violated|exceeded)|ResourceExhausted|larger than max",
            r"query (hit|exceeded) the (max|aggregated)|err-mimir-max-|time range exceeds|query length",
            # VictoriaMetrics, M3
            r"-search\.max|too many (points|data ?points|(time ?)?series|chunks)|number of \w+ (time ?)?series exceeds",
            r"not enough memory|timeout exceeded|query exceeded limit|exceeds? (the )?(query )?limit",
        )
    ),
    re.IGNORECASE,
)
"""What stores say when one query is more than they compute."""
_PART_DOWN: Final = re.compile(
    r"rpc error: code = Unavailable|connection refused|no such host"
    r"|failed to receive any data|connection error:|no healthy (upstream|instances)|too many unhealthy instances"
    r"|at least \d+ live replicas required",
    re.IGNORECASE,
)
"""What stores of several parts say when one of these does not answer."""
_MOST_SAID: Final = 1 << 16
"""Longer lists of warnings are not read."""
_MOST_JUDGED: Final = 1 << 12
"""Characters at the beginning and at the end of an error that tell its type."""
_HEAD, _TAIL = 250, 350
"""Characters of a long error that are shown; VictoriaMetrics repeats the query first and gives the cause last."""


class Envelope(msgspec.Struct, Generic[T]):
    """An answer as JSON.

    Parameters
    ----------
    status : str
        ``success`` or ``error``.
    data : T or None
        None in an error.
    errorType, error : str
    isPartial : bool
        VictoriaMetrics says so when a part of its storage did not answer.
    """

    status: str
    data: T | None = None
    errorType: str = ""  # noqa: N815  (the name in the JSON)
    error: str = ""
    isPartial: bool = False  # noqa: N815  (the name in the JSON)
    raw_warnings: msgspec.Raw = msgspec.field(name="warnings", default=msgspec.Raw(b"null"))
    raw_infos: msgspec.Raw = msgspec.field(name="infos", default=msgspec.Raw(b"null"))

    @property
    def failed(self) -> tuple[str, ...]:
        """What the answer lacks."""
        return ("the store says that a part of its storage did not answer",) if self.isPartial else ()

    @property
    def warnings(self) -> list[str]:
        """What the store warns of."""
        return _texts(self.raw_warnings)

    @property
    def infos(self) -> list[str]:
        """What else the store says."""
        return _texts(self.raw_infos)


def open_envelope(body: bytes, envelope: type[Envelope[T]], origin: str) -> tuple[T, Envelope[T]]:
    """Open the envelope.

    Parameters
    ----------
    body : bytes
        JSON text.
    envelope : type
        Such as ``Envelope[list[str]]``: what the data is.
    origin : str
        Who answered, for messages.

    Returns
    -------
    data, envelope

    Raises
    ------
    Refused
        It is not the JSON of a Prometheus API, it is cut off, or it reports a limit or an error of the server.
    TooMuch
        It reports that the query is more than the store computes at once.
    BadQuery
        It reports an error of the query.
    """
    try:
        answer = msgspec.json.decode(body, type=envelope)
        _ = answer.warnings, answer.infos  # texts, or no answer of Prometheus
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _stranger(body, origin) from None
    if answer.status == "success" and answer.data is not None:
        return answer.data, answer
    if answer.status != "error":
        raise _stranger(body, origin)
    what = f"{origin} refused the query ({plain(answer.errorType or 'error')[:60]}): {plain(_shortened(answer.error))}"
    error = answer.error[:_MOST_JUDGED] + answer.error[_MOST_JUDGED:][-_MOST_JUDGED:]
    words = _QUOTED.sub(" ", error)
    less = "try again, or ask for less at once: a shorter window, a longer step, fewer series"
    curable = not (_UNREAD.search(words) or _LESS_IS_NO_CURE.search(error))
    if curable and (_OVER.search(error) or answer.errorType == "timeout"):
        raise TooMuch(what, less)
    if not _UNREAD.search(words) and _PART_DOWN.search(words):
        raise Refused(
            f"a part of the store behind {origin} does not answer ({plain(answer.errorType or 'error')[:60]}): "
            f"{plain(_shortened(answer.error))}",
            "try again when that part is back: an answer without it would lack its series",
        )
    if answer.errorType in _QUERY_AT_FAULT and (_UNREAD.search(words) or not _LIMIT.search(words)):
        raise BadQuery(what, "correct the query")
    raise Refused(what, less)


def _shortened(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} ... {text[-_TAIL:]}"


def _texts(raw: msgspec.Raw) -> list[str]:
    size = memoryview(raw).nbytes
    if size > _MOST_SAID:
        return [f"{size:,} bytes of warnings, too many to be read"]
    found = msgspec.json.decode(raw, type=list[str] | None)
    return found or []


def unreadable(origin: str, error: Exception) -> Refused:
    """The error about data in the envelope that have not the form of Prometheus's."""
    return Refused(
        f"{origin} answered with data that cannot be read ({plain(error)[:120]})",
        "check that it is the address of a Prometheus-compatible API",
    )


def _stranger(body: bytes, origin: str) -> Refused:
    text = plain(body[:80].decode("utf-8", "replace")).strip()
    return Refused(
        f"{origin} did not answer as Prometheus does: it sent {repr(text) if text else 'nothing'}",
        "check that it is the address of a Prometheus-compatible API, and that nothing in between cuts answers off",
    )
