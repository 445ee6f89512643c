"""Counters to increments: exact, and honest about resets and first appearances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_scrapes", "increments", "resets"]


def first_scrapes(sid: NDArray[np.int32], time_ms: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """When the target of each series was first scraped, over all its series.

    Parameters
    ----------
    sid : ndarray of int32, shape (samples,)
        Which series each sample belongs to, ascending.
    time_ms : ndarray of int64, shape (samples,)
        Unix milliseconds, ascending within a series.
    target : ndarray of int64, shape (series,)
        Which series were scraped from the same place, numbered from 0.

    Returns
    -------
    ndarray of int64, shape (series,)
    """
    if not len(target):
        return np.empty(0, np.int64)
    first = np.r_[0, np.flatnonzero(sid[1:] != sid[:-1]) + 1][: len(sid)]
    earliest = np.full(int(target.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, target[sid[first]], time_ms[first])
    return earliest[target]


def increments(
    sid: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64], base_ms: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """How much each counter rose from sample to sample, of whatever it counts: events, milliseconds, bytes.

    A counter that fell was reset to zero in between: its new value is the increment. A counter that appears on a
    target which was already scraped without it rose from zero, because proxies create a counter at its first event;
    PromQL's rate and increase lose that first event. The first value of a counter that appears together with its
    target tells nothing: it is the base.

    Parameters
    ----------
    sid : ndarray of int32, shape (samples,)
        Which series each sample belongs to, ascending.
    time_ms : ndarray of int64, shape (samples,)
        Unix milliseconds, ascending within a series.
    value : ndarray of float64, shape (samples,)
        Counters.
    base_ms : ndarray of int64, shape (series,)
        When the target of each series was first scraped: see `first_scrapes`.

    Returns
    -------
    sid : ndarray of int32, shape (increments,)
        The series of each increment.
    time_ms : ndarray of int64, shape (increments,)
        Unix milliseconds of the sample that ends the increment.
    rise : ndarray of float64, shape (increments,)
    """
    if not len(sid):
        return sid, time_ms, np.empty(0)
    first = np.r_[True, sid[1:] != sid[:-1]]
    previous = np.r_[0.0, value[:-1]]
    rise = np.where(first | (value < previous), value, value - previous)
    base = first & (time_ms <= base_ms[sid])
    keep = ~base & np.isfinite(rise)
    return sid[keep], time_ms[keep], rise[keep]


def resets(sid: NDArray[np.int32], value: NDArray[np.float64], series: int) -> NDArray[np.int64]:
    """How often each counter fell: its process was started anew.

    Parameters
    ----------
    sid : ndarray of int32, shape (samples,)
        Which series each sample belongs to, ascending.
    value : ndarray of float64, shape (samples,)
        Counters, ascending in time within a series.
    series : int
        How many series there are.

    Returns
    -------
    ndarray of int64, shape (series,)
    """
    fell = (sid[1:] == sid[:-1]) & (value[1:] < value[:-1])
    return np.bincount(sid[1:][fell], minlength=series).astype(np.int64)
