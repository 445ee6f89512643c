"""An autoscaler's history as its exporter shows it: sync periods reconstructed from scrapes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_SYNC_S", "Ticks", "sync_period", "sync_periods"]

Floats = NDArray[np.float64]

DEFAULT_SYNC_S: Final = 15.0
"""The controller's default sync period."""

_PERIODS_S: Final = (60.0, 30.0, 20.0, 15.0, 10.0, 5.0)
# A status that changed less often does not reveal the period.
_CHANGES: Final = 6
_FAULTS: Final = 0.02
_PHASES: Final = 40
# The controller's clock drifts; over so many periods it can be taken for regular.
_STEADY: Final = 240


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """Sync periods, evenly spaced."""

    time_s: Floats
    """Unix seconds, to within a scrape. Shape (periods,)."""
    current: Floats
    desired: Floats
    """Replicas before and after the decision; NaN where nothing was scraped of the period. Shape (periods,)."""
    ready_before: Floats
    ready_after: Floats
    """Ready replicas at the last scrape before and at the first after it: the real number is between them. Shape
    (periods,)."""
    observed: Floats
    """The value of each metric; NaN where unknown. Shape (metrics, periods)."""
    sync_s: float

    def __len__(self) -> int:
        return len(self.time_s)

    def last(self, count: int) -> Ticks:
        """The last so many periods."""
        names = ("time_s", "current", "desired", "ready_before", "ready_after", "observed")
        return replace(self, **{name: getattr(self, name)[..., -count:] for name in names})

    @property
    def known(self) -> NDArray[np.bool_]:
        """Periods of which something was scraped."""
        return np.isfinite(self.current) & np.isfinite(self.desired)


def sync_period(time_s: Floats, current: Floats, desired: Floats, observed: Floats) -> float | None:
    """The longest usual sync period within which a status never changes twice; None where it cannot be determined.

    Parameters
    ----------
    time_s, current, desired : ndarray of float64, shape (scrapes,)
    observed : ndarray of float64, shape (metrics, scrapes)
    """
    changed = _changed(current, desired, observed)
    if np.count_nonzero(changed) < _CHANGES:
        return None
    scrape_s = float(np.median(np.diff(time_s)))
    for length in _PERIODS_S:
        if length <= scrape_s * (1 + _FAULTS):
            # Whatever happened between two scrapes is not observed.
            return None
        faults = _faults(time_s[:_STEADY], changed[: len(time_s[:_STEADY]) - 1], length).min()
        if faults <= _FAULTS * np.count_nonzero(changed):
            return length
    return None


def sync_periods(
    time_s: Floats,
    current: Floats,
    desired: Floats,
    observed: Floats,
    ready_time_s: Floats,
    ready: Floats,
    *,
    sync_s: float,
) -> Ticks:
    """Find the sync periods in scrapes of an autoscaler's status.

    The status changes once a period at most, so no two scrapes within a period may differ: the phase at which the
    fewest do is that of the controller.

    Parameters
    ----------
    time_s, current, desired : ndarray of float64, shape (scrapes,)
        In the order of time.
    observed : ndarray of float64, shape (metrics, scrapes)
    ready_time_s, ready : ndarray of float64, shape (others,)
        Ready replicas of the scaled workload.
    sync_s : float
        The controller's sync period.
    """
    if not len(time_s):
        return Ticks(time_s, current, desired, np.empty(0), np.empty(0), observed, sync_s)
    changed = _changed(current, desired, observed)
    number = np.empty(len(time_s), np.int64)
    start, at = 0, 0.0
    while start < len(time_s):
        end = int(np.searchsorted(time_s, time_s[start] + _STEADY * sync_s, side="right"))
        at = _phase(time_s[start:end], changed[start : end - 1], sync_s, at)
        number[start:end] = np.floor((time_s[start:end] - at) / sync_s)
        start = end
    first = np.r_[True, number[1:] != number[:-1]]
    periods = np.arange(number[0], number[-1] + 1)
    place = number[first] - number[0]

    def spread(values: Floats) -> Floats:
        line = np.full(len(periods), np.nan)
        line[place] = values[first]
        return line

    moments = periods * sync_s + at
    before = np.searchsorted(ready_time_s, moments, side="right") - 1
    after = np.minimum(before + 1, len(ready_time_s) - 1)
    unknown = np.full(len(moments), np.nan)
    return Ticks(
        time_s=moments,
        current=spread(current),
        desired=spread(desired),
        ready_before=np.where(before >= 0, ready[np.maximum(before, 0)], np.nan) if len(ready) else unknown,
        ready_after=ready[after] if len(ready) else unknown,
        observed=np.vstack([spread(values) for values in observed]) if len(observed) else np.empty((0, len(periods))),
        sync_s=sync_s,
    )


def _changed(current: Floats, desired: Floats, observed: Floats) -> NDArray[np.bool_]:
    """Whether a status differs from the one before; shape (scrapes - 1,)."""
    status = np.vstack([current, desired, np.nan_to_num(observed, nan=-1.0)])
    return np.asarray(np.any(status[:, 1:] != status[:, :-1], axis=0))


def _faults(time_s: Floats, changed: NDArray[np.bool_], sync_s: float) -> NDArray[np.int64]:
    """Changes between two scrapes of one period, by phase."""
    phases = np.arange(_PHASES) * sync_s / _PHASES
    same = np.floor((time_s[1:] - phases[:, None]) / sync_s) == np.floor((time_s[:-1] - phases[:, None]) / sync_s)
    return np.asarray(np.count_nonzero(same & changed, axis=1), np.int64)


def _phase(time_s: Floats, changed: NDArray[np.bool_], sync_s: float, usual: float) -> float:
    """The phase with the fewest changes inside a period; the middle one where several are equal."""
    faults = _faults(time_s, changed, sync_s)
    good = faults == faults.min()
    if np.all(good):
        return usual
    # The longest run of good phases, around the circle.
    turned = np.roll(good, -int(np.argmin(good)))
    edges = np.flatnonzero(np.diff(np.r_[False, turned, False].astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    middle = (starts[longest] + ends[longest] - 1) / 2 + int(np.argmin(good))
    return float((middle % _PHASES) * sync_s / _PHASES)
