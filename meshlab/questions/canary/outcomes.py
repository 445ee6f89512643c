"""How the arms' requests ended, and in which blocks of time: HTTP codes, gRPC statuses, and no answer at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.canary.arm_selection import ArmSelection
from meshlab.questions.canary.arms import BASELINE, CANARY, block_ends
from meshlab.questions.canary.tables import TABLES
from meshlab.stats.blocks import Blocks

__all__ = ["Outcomes", "arm_table", "code_table", "is_error", "outcomes"]

_GRPC_FAULTS: Final = frozenset({"2", "4", "13", "14", "15"})
"""UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS: the server's fault, not the caller's."""
_SERVER_ERROR: Final = re.compile(r"5(\d\d|xx)")
_OUTCOME: Final = ("code", "grpc_status", "flags")


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Requests and errors of both arms.

    Parameters
    ----------
    blocks : Blocks
        Of the blocks in which both arms were scraped.
    time : DatetimeIndex
        Their ends.
    possible : int
        Blocks of the window.
    """

    blocks: Blocks
    time: pd.DatetimeIndex
    possible: int

    @property
    def requests(self) -> tuple[int, int]:
        """Requests of baseline and canary."""
        return int(self.blocks.total_b.sum()), int(self.blocks.total_c.sum())

    @property
    def errors(self) -> tuple[int, int]:
        """Errors of baseline and canary."""
        return int(self.blocks.events_b.sum()), int(self.blocks.events_c.sum())


def outcomes(frame: pd.DataFrame, possible: int) -> Outcomes:
    """Count requests and errors of both arms in every block, of those possible, that has both."""
    rows = frame.assign(errors=frame["count"].where(is_error(frame), 0))
    sums = rows.groupby(["block", "arm"])[["count", "errors"]].sum()
    wanted = pd.MultiIndex.from_product([["count", "errors"], [BASELINE, CANARY]])
    table = pd.DataFrame(sums.unstack("arm")).reindex(columns=wanted).dropna()
    counts = (table[column, arm].to_numpy() for arm in (BASELINE, CANARY) for column in ("errors", "count"))
    return Outcomes(Blocks.of(*counts), block_ends(rows, table.index), possible)


def is_error(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which outcomes are the service's fault.

    HTTP 5xx (as the whole class where a proxy counts no codes); a gRPC status that is the server's fault, whatever the
    HTTP code; no response at all (code 0), unless the caller went away (flag DC).

    Parameters
    ----------
    frame : DataFrame
        With ``code``, ``grpc_status`` and ``flags``.
    """
    distinct, number = _distinct(frame)
    return pd.Series(np.array([_is_fault(*outcome) for outcome in distinct], bool)[number], frame.index)


def code_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Requests by outcome: the table ``codes``."""
    distinct, number = _distinct(frame)
    names = np.array([_name(*outcome) for outcome in distinct], object)[number]
    errors = np.array([_is_fault(*outcome) for outcome in distinct], bool)[number]
    sums = frame.assign(outcome=names, error=errors).groupby(["outcome", "error", "arm"])["count"].sum()
    table = sums.unstack("arm", fill_value=0).reindex(columns=[BASELINE, CANARY], fill_value=0).astype("int64")
    for arm in (BASELINE, CANARY):
        table[f"{arm}_percent"] = 100 * table[arm] / table[arm].sum()
    return table.rename_axis(columns=None).reset_index()


def arm_table(sides: Mapping[str, Outcomes], arms: ArmSelection) -> pd.DataFrame:
    """Requests and errors of each arm as either reporter counts them: the table ``arms``."""
    rows = []
    for at, (arm, name) in enumerate(((BASELINE, arms.baseline), (CANARY, arms.canary))):
        for reporter, counted in sides.items():
            requests, errors = counted.requests[at], counted.errors[at]
            rows.append((arm, name, reporter, requests, errors, 100 * errors / requests if requests else np.nan))
    return TABLES["arms"].of(rows)


def _distinct(frame: pd.DataFrame) -> tuple[list[tuple[str, str, str]], NDArray[np.intp]]:
    """The distinct outcomes, and the number of each row's: few outcomes, many rows, so each is looked at once."""
    key = np.zeros(len(frame), np.int64)
    for column in _OUTCOME:
        number, known = pd.factorize(frame[column])
        key = key * len(known) + number
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    rows = zip(*(frame[column].iloc[first].astype(str) for column in _OUTCOME), strict=True)
    return [(code, status, flags) for code, status, flags in rows], group


def _is_fault(code: str, grpc_status: str, flags: str) -> bool:
    return (
        _SERVER_ERROR.fullmatch(code) is not None
        or grpc_status in _GRPC_FAULTS
        or (code == "0" and "DC" not in flags.split(","))
    )


def _name(code: str, grpc_status: str, _: str) -> str:
    if grpc_status:
        return f"gRPC {grpc_status}"
    return "no answer" if code in ("0", "") else f"HTTP {code[0]}xx"
