"""Counts in blocks of time with their labels told once: a day of a large mesh is millions of cells of few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Compact", "compact"]


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
    """

    labels: pd.DataFrame
    sid: NDArray[np.int64]
    time: NDArray[np.int64]
    count: NDArray[np.float64]

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
    rows = frame[frame["count"] > 0]
    if rows.empty:
        none = np.zeros(0, np.int64)
        return Compact(rows[list(words)].reset_index(drop=True), none, none, np.zeros(0))
    sid = rows.groupby(list(words), sort=True).ngroup().to_numpy(np.int64)
    at = np.unique(sid, return_index=True)[1]
    time = rows["time"].astype("datetime64[ms, UTC]").astype("int64").to_numpy(np.int64)
    labels = rows[list(words)].iloc[at].reset_index(drop=True)
    return Compact(labels, np.asarray(sid, np.int64), np.asarray(time, np.int64), rows["count"].to_numpy(np.float64))


def _moments(time_ms: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(time_ms.astype("datetime64[ms]")).tz_localize("UTC")
