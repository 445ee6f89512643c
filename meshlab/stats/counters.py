"""Counters to increments: exact, and honest about resets and first appearances."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_scrapes", "increments", "lost_parts", "resets"]

_FACTOR: Final = 10.0
"""How many times faster than ever seen a counter may have grown since its process was started anew."""
_FLOOR: Final = 30.0
"""What a counter may reach at once, however slowly it grew before: what is rare comes in bursts."""
_SHARE: Final = 0.01
"""Least share of a sum that is left when one of its parts goes away."""


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
    sid: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    base_ms: NDArray[np.int64],
    unknown: NDArray[np.bool_] | None = None,
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
    unknown : ndarray of bool, shape (samples,), optional
        The samples up to which nobody knows how much a counter rose (`lost_parts`): these increments are left out.

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
    if unknown is not None:
        keep &= ~unknown
    return sid[keep], time_ms[keep], rise[keep]


def lost_parts(
    sid: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where a sum of counters fell because one of its parts went away.

    A store may keep sums over pods (federation, recording rules). When a pod ends, its sum falls to what the other pods
    have counted in all their lives. A process that was started anew counts from zero: what it reaches within a scrape
    interval is bounded by how fast the counter grew at other times. A fall to more than that is no restart. How much
    such a sum rose meanwhile is unknown, also of those of its series that did not fall at that moment.

    Parameters
    ----------
    sid : ndarray of int32, shape (samples,)
        Which series each sample belongs to, ascending.
    time_ms : ndarray of int64, shape (samples,)
        Unix milliseconds, ascending within a series.
    value : ndarray of float64, shape (samples,)
        Counters.
    group : ndarray of int64, shape (series,)
        Which series lose a part together, such as the codes of one edge; numbered from 0.

    Returns
    -------
    ndarray of int64
        The samples up to which increments are unknown, ascending. Where one fall of a group cannot be a restart, none
        of its falls is taken for one.
    """
    fell = np.flatnonzero((sid[1:] == sid[:-1]) & (value[1:] < value[:-1])) + 1
    if not len(fell):
        return fell
    rate = _fastest(sid, time_ms, value, np.unique(sid[fell]), len(group))
    # A counter that did nothing but fall says nothing of its pace.
    known = rate[sid[fell]] >= 0
    moment = np.c_[group[sid[fell]], time_ms[fell]][known]
    keys, key = np.unique(moment, axis=0, return_inverse=True)
    key = key.reshape(-1)
    fallen, gap = fell[known], (time_ms[fell] - time_ms[fell - 1])[known]
    reached, had, most = (
        np.bincount(key, weights, len(keys)) for weights in (value[fallen], value[fallen - 1], rate[sid[fallen]] * gap)
    )
    sums = np.unique(keys[(reached > _FACTOR * most + _FLOOR) & (reached > _SHARE * had), 0])
    fell = fell[np.isin(group[sid[fell]], sums)]
    if not len(fell):
        return fell
    at = set(zip(group[sid[fell]].tolist(), time_ms[fell].tolist(), strict=True))
    rows = np.flatnonzero(np.isin(group, sums)[sid] & np.isin(time_ms, time_ms[fell]))
    both = zip(group[sid[rows]].tolist(), time_ms[rows].tolist(), strict=True)
    return rows[np.fromiter((pair in at for pair in both), np.bool_, len(rows))]


def _fastest(
    sid: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    chosen: NDArray[np.int32],
    series: int,
) -> NDArray[np.float64]:
    """How much some series rose in a millisecond at most; -1: not known; shape (series,)."""
    rate = np.full(series, -1.0)
    for begin, end in zip(np.searchsorted(sid, chosen, "left"), np.searchsorted(sid, chosen, "right"), strict=True):
        rise, gap = np.diff(value[begin:end]), np.diff(time_ms[begin:end])
        rose = (rise >= 0) & (gap > 0)
        if rose.any():
            rate[sid[begin]] = (rise[rose] / gap[rose]).max()
    return rate


def resets(
    sid: NDArray[np.int32], value: NDArray[np.float64], series: int, unknown: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """How often each counter fell: its process was started anew.

    Parameters
    ----------
    sid : ndarray of int32, shape (samples,)
        Which series each sample belongs to, ascending.
    value : ndarray of float64, shape (samples,)
        Counters, ascending in time within a series.
    series : int
        How many series there are.
    unknown : ndarray of int64, optional
        The samples of `lost_parts`: these falls are no restarts.

    Returns
    -------
    ndarray of int64, shape (series,)
    """
    fell = (sid[1:] == sid[:-1]) & (value[1:] < value[:-1])
    if unknown is not None:
        fell[unknown[unknown > 0] - 1] = False
    return np.bincount(sid[1:][fell], minlength=series).astype(np.int64)
