"""Counts in blocks of time with their labels told once: a day of a large mesh is millions of cells of few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Compact", "compact"]

_MOST: Final = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Compact:
    """Counts, and the labels that they stand for.

    Parameters
    ----------
    labels : DataFrame
        One row a combination, sorted.
    sid : array of int64, shape (n,)
        The row of `labels` of each count.
    time : array of int64, shape (n,)
        End of its block, unix milliseconds.
    count : array of float64, shape (n,)
    times : array of int64
        All blocks' ends, those in which nothing was counted as well.
    """

    labels: pd.DataFrame
    sid: NDArray[np.int64]
    time: NDArray[np.int64]
    count: NDArray[np.float64]
    times: NDArray[np.int64]

    def totals(self, keep: NDArray[np.bool_] | None = None) -> pd.DataFrame:
        """The labels that had counts, with ``count``, ``first`` and ``last`` (ends of blocks).

        Parameters
        ----------
        keep : array of bool, shape (n,), optional
            Which counts to look at.
        """
        keep = np.ones(len(self.sid), bool) if keep is None else keep
        sid, time, count = self.sid[keep], self.time[keep], self.count[keep]
        total = np.bincount(sid, count, len(self.labels))
        first = np.full(len(self.labels), np.iinfo(np.int64).max)
        last = np.full(len(self.labels), np.iinfo(np.int64).min)
        np.minimum.at(first, sid, time)
        np.maximum.at(last, sid, time)
        there = np.bincount(sid, minlength=len(self.labels)) > 0
        return self.labels.assign(count=total)[there].assign(first=_moments(first[there]), last=_moments(last[there]))


def compact(frame: pd.DataFrame, words: Sequence[str]) -> Compact:
    """Tell labels once; rows without a count are left out.

    Parameters
    ----------
    frame : DataFrame
        The words, ``time`` and ``count``, in any order.
    words : sequence of str
    """
    words = list(words)
    rows = frame[frame["count"] > 0]
    times = np.unique(_milliseconds(frame["time"])) if len(frame) else np.zeros(0, np.int64)
    if rows.empty:
        none = np.zeros(0, np.int64)
        return Compact(rows[words].astype(str).reset_index(drop=True), none, none, np.zeros(0), times)
    sid, first = _numbered(rows, words)
    labels = rows[words].iloc[first].reset_index(drop=True)
    order = labels.astype(str).sort_values(words)
    place = np.empty(len(order), np.int64)
    place[order.index.to_numpy()] = np.arange(len(order))
    count = rows["count"].to_numpy(np.float64)
    return Compact(order.reset_index(drop=True), place[sid], _milliseconds(rows["time"]), count, times)


def _numbered(rows: pd.DataFrame, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each row's combination, and a row for each number."""
    key, size = np.zeros(len(rows), np.int64), 1
    for word in words:
        codes, names = pd.factorize(rows[word])
        if size * len(names) > _MOST:
            key, seen = pd.factorize(key)
            size = len(seen)
        key, size = key * len(names) + codes, size * len(names)
    sid, seen = pd.factorize(key)
    first = np.empty(len(seen), np.int64)
    first[sid[::-1]] = np.arange(len(sid))[::-1]
    return np.asarray(sid, np.int64), first


def _milliseconds(time: pd.Series) -> NDArray[np.int64]:
    return np.asarray(time.astype("datetime64[ms, UTC]").astype("int64"), np.int64)


def _moments(time_ms: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(time_ms.astype("datetime64[ms]")).tz_localize("UTC")
