"""From the evidence's frames to two arms of counts, block by block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.subject import Subject
from meshlab.questions.canary.scope import Scope
from meshlab.stats.blocks import Blocks

__all__ = ["Durations", "Outcomes", "durations", "is_error", "is_fault", "outcomes", "ways"]

_GRPC_FAULTS: Final = frozenset({"2", "4", "13", "14", "15"})
"""UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS: the server's fault, not the caller's."""
_SERVERS: Final = re.compile(r"5(\d\d|xx)")
_ENDS: Final = ("code", "grpc_status", "flags")


def is_error(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which outcomes are the service's fault.

    HTTP 5xx (as the whole class where a proxy counts no codes); a gRPC status that is the server's fault, whatever the
    HTTP code; no response at all (code 0), unless the caller went away (flag DC).

    Parameters
    ----------
    frame : DataFrame
        With ``code``, ``grpc_status`` and ``flags``.
    """
    distinct, number = ways(frame)
    return pd.Series(np.array([is_fault(*way) for way in distinct], bool)[number], frame.index)


def is_fault(code: str, grpc_status: str, flags: str) -> bool:
    """Whether one way to end is the service's fault: see `is_error`."""
    return (
        _SERVERS.fullmatch(code) is not None
        or grpc_status in _GRPC_FAULTS
        or (code == "0" and "DC" not in flags.split(","))
    )


def ways(frame: pd.DataFrame) -> tuple[list[tuple[str, str, str]], NDArray[np.intp]]:
    """The distinct ways in which requests ended, and the number of each row's.

    There are few ways to end and many requests: each way is looked at once, and joins and text operations over all rows
    would cost more than the rest of a verdict.

    Parameters
    ----------
    frame : DataFrame
        With ``code``, ``grpc_status`` and ``flags``.

    Returns
    -------
    list of (code, grpc_status, flags), ndarray of int, shape (rows,)
    """
    key = np.zeros(len(frame), np.int64)
    for word in _ENDS:
        number, known = pd.factorize(frame[word])
        key = key * len(known) + number
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    rows = zip(*(frame[word].iloc[first].astype(str) for word in _ENDS), strict=True)
    return [(code, status, flags) for code, status, flags in rows], group


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Requests and errors of both arms.

    Parameters
    ----------
    blocks : Blocks
        Of the blocks in which both arms were scraped.
    index : ndarray of int64, shape (blocks,)
        Their numbers, counted from the window's start.
    time : DatetimeIndex
        Their ends.
    possible : int
        Blocks of the window.
    """

    blocks: Blocks
    index: NDArray[np.int64]
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


def outcomes(frame: pd.DataFrame, subject: Subject, scope: Scope, possible: int) -> Outcomes:
    """Count requests and errors of both arms in every block that has both.

    Parameters
    ----------
    frame : DataFrame
        ``source`` or ``destination`` of the evidence.
    possible : int
        Blocks of the window.
    """
    rows = _arms(frame, subject, scope)
    rows = rows.assign(errors=rows["count"].where(is_error(rows), 0) if len(rows) else rows["count"])
    sums = rows.groupby(["block", "arm"])[["count", "errors"]].sum()
    wanted = pd.MultiIndex.from_product([["count", "errors"], [scope.baseline, scope.canary]])
    table = pd.DataFrame(sums.unstack("arm")).reindex(columns=wanted)
    table = table.dropna()
    blocks = Blocks.of(
        *(table[column, arm].to_numpy() for arm in (scope.baseline, scope.canary) for column in ("errors", "count"))
    )
    return Outcomes(blocks, table.index.to_numpy(np.int64), _ends(rows, table.index), possible)


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """Requests of both arms by duration.

    Parameters
    ----------
    edges : ndarray of float64, shape (buckets,)
        Upper edges, milliseconds, ascending, the last one +Inf.
    baseline, canary : ndarray of float64, shape (blocks, buckets)
        Requests in each bucket (not cumulative), of the blocks in which both arms were scraped.
    index : ndarray of int64, shape (blocks,)
        Their numbers.
    time : DatetimeIndex
        Their ends.
    """

    edges: NDArray[np.float64]
    baseline: NDArray[np.float64]
    canary: NDArray[np.float64]
    index: NDArray[np.int64]
    time: pd.DatetimeIndex


def durations(frame: pd.DataFrame, subject: Subject, scope: Scope) -> Durations:
    """Bucket counts of both arms on their common edges; no block where an arm has none, or no edge is common."""
    rows = _arms(frame, subject, scope)
    sums = rows.groupby(["arm", "block", "le"])["count"].sum()
    arms = sums.index.get_level_values("arm")
    first, second = (
        sums[arms == arm].droplevel("arm").unstack("le").dropna(axis=0) for arm in (scope.baseline, scope.canary)
    )
    edges = first.columns.intersection(second.columns)
    index = first.index.intersection(second.index)
    if not len(edges) or not len(index) or not np.isinf(edges[-1]):
        nothing = np.empty((0, 0))
        return Durations(np.empty(0), nothing, nothing, np.empty(0, np.int64), pd.DatetimeIndex([], tz="UTC"))
    counts = [np.diff(t.loc[index, edges].to_numpy(np.float64), axis=1, prepend=0.0) for t in (first, second)]
    # Two edges may be scraped between two increments: a step back of a few is noise of the scrape, not a count.
    baseline, canary = (np.clip(c, 0.0, None) for c in counts)
    return Durations(edges.to_numpy(np.float64), baseline, canary, index.to_numpy(np.int64), _ends(rows, index))


def _arms(frame: pd.DataFrame, subject: Subject, scope: Scope) -> pd.DataFrame:
    if "arm" not in frame:
        frame = frame.assign(arm=frame["destination_version"] if len(frame) else "")
    if frame.empty:
        return frame
    return frame[subject.mask(frame) & frame["arm"].isin([scope.baseline, scope.canary])]


def _ends(rows: pd.DataFrame, index: pd.Index[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(rows.drop_duplicates("block").set_index("block")["time"].reindex(index))
