"""Samples in any order, put together to series: each sample once, and never two values at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.core.series import SeriesSet
from meshlab.core.times import format_instant
from meshlab.engines.label_tables import MAX_SERIES, label_table
from meshlab.errors import ParameterError
from meshlab.promql.values import METRIC

__all__ = ["MAX_SAMPLES", "Assembly", "Batch", "described"]

MAX_SAMPLES: Final = 20_000_000
"""Most samples that are put together in memory."""
_MOST_LABELS: Final = 50 * MAX_SERIES
_EARLIEST_MS, _LATEST_MS = 1_000_000_000_000, 4_102_444_800_000
"""2001 and 2100: a time outside is a mistake of its unit."""
_LESS: Final = "import a part of it, or load it into a Prometheus and use meshlab record"


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some samples and the label sets of their series.

    Parameters
    ----------
    metrics : sequence of mapping
        Label sets; a label whose value is empty is none. The same one may stand there twice.
    sid : ndarray of int32, shape (samples,)
        Which of `metrics` a sample belongs to; in any order.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds.
    value : ndarray of float64, shape (samples,)
    warnings : tuple of str
        What was left out.
    """

    metrics: Sequence[Mapping[str, str]]
    sid: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    warnings: tuple[str, ...] = ()


class Assembly:
    """Takes batches, and makes one set of series of them.

    Parameters
    ----------
    metric : str
        The name of series that have none; empty leaves them without.
    """

    def __init__(self, metric: str = "") -> None:
        self.samples = 0
        self.warnings: dict[str, None] = {}
        self._metric = metric
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self._parts: list[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]] = []

    def add(self, batch: Batch, origin: str) -> None:
        """Take some samples.

        Raises
        ------
        ParameterError
            There are too many samples, series or labels, a time is of no year in which anything was measured, a label
            is no Unicode text, or a series has neither a name nor a label.
        """
        self.samples += len(batch.sid)
        if self.samples > MAX_SAMPLES:
            raise ParameterError(f"{origin} holds more than {MAX_SAMPLES:,} samples, with what came before it", _LESS)
        _check_times(batch.time, origin)
        used = np.unique(batch.sid)
        numbers = np.zeros(len(batch.metrics), np.int32)
        for at in used.tolist():
            numbers[at] = self._number(batch.metrics[at], origin)
        self._parts.append((numbers[batch.sid], batch.time, batch.value))
        self.warnings.update(dict.fromkeys(batch.warnings))

    def series(self) -> SeriesSet:
        """All of it, sorted by labels and time; samples that are the same are taken once.

        Raises
        ------
        ParameterError
            A series has two values at one moment.
        """
        metrics = [dict(labels) for labels in self._numbers]
        if len(metrics) * len({name for metric in metrics for name in metric}) > _MOST_LABELS:
            raise ParameterError(f"the series have more than {_MOST_LABELS:,} labels", _LESS)
        labels, order = label_table(metrics)
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        columns = zip(*self._parts, strict=True) if self._parts else ([], [], [])
        sid, time, value = (np.concatenate(c) if c else np.empty(0) for c in map(list, columns))
        self._parts = []
        sid, time = place[sid.astype(np.int32, copy=False)], time.astype(np.int64, copy=False)
        same, step = sid[1:] == sid[:-1], time[1:] - time[:-1]
        if not ((sid[1:] > sid[:-1]) | (same & (step > 0))).all():
            by_time = np.lexsort((time, sid))
            sid, time, value = sid[by_time], time[by_time], value[by_time]
            again = np.r_[False, (sid[1:] == sid[:-1]) & (time[1:] == time[:-1])]
            bits = value.view(np.uint64)
            conflicts = np.flatnonzero(again & np.r_[False, (value[1:] != value[:-1]) & (bits[1:] != bits[:-1])])
            if len(conflicts):
                at = int(conflicts[0])
                raise ParameterError(
                    f"{described(metrics[order[sid[at]]])} has two values at {format_instant(int(time[at]))},"
                    f" {value[at - 1]:.6g} and {value[at]:.6g}",
                    "keep the label that tells two series apart, give each scrape its own time, or remove one of them",
                )
            sid, time, value = sid[~again], time[~again], value[~again]
        return SeriesSet(labels, sid, time.astype("datetime64[ms]"), value.astype(np.float64, copy=False))

    def _number(self, metric: Mapping[str, str], origin: str) -> int:
        labels = dict(self._labels(metric))
        if self._metric and METRIC not in labels:
            labels[METRIC] = self._metric
        key = tuple(sorted(labels.items()))
        number = self._numbers.get(key)
        if number is None:
            if not key:
                raise ParameterError(f"{origin} has a series without a name and labels", "name it with --metric NAME")
            _check_text(key, origin)
            number = self._numbers[key] = len(self._numbers)
            if number >= MAX_SERIES:
                raise ParameterError(f"{origin} holds more than {MAX_SERIES:,} series, with what came before it", _LESS)
        return number

    @staticmethod
    def _labels(metric: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Prometheus knows no empty label: with one or without it, a series is the same."""
        return ((name, value) for name, value in metric.items() if value)


def described(metric: Mapping[str, str]) -> str:
    """A series as people write it, for messages."""
    inner = ", ".join(f'{name}="{value}"' for name, value in sorted(metric.items()) if name != METRIC)
    text = plain(f"{metric.get(METRIC, '')}{{{inner}}}" if inner else metric.get(METRIC, ""))
    return text if len(text) <= 200 else f"{text[:199]}…"


def _check_times(time: NDArray[np.int64], origin: str) -> None:
    odd = time[(time < _EARLIEST_MS) | (time >= _LATEST_MS)]
    if not len(odd):
        return
    try:
        written = f"a sample of {format_instant(int(odd[0]))}"
    except OverflowError:
        written = f"a sample at {odd[0]:,} ms"
    raise ParameterError(
        f"{origin} has {written}, and {len(odd):,} in all outside of the years 2001 to 2099",
        "check the unit of its times (seconds or milliseconds), or remove these samples",
    )


def _check_text(labels: Sequence[tuple[str, str]], origin: str) -> None:
    for name, value in labels:
        if not name:
            raise ParameterError(f"{origin} has a label without a name", "name it")
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            raise ParameterError(
                f"{origin} has a label that is no Unicode text: {(name, value)!a}", "mend it"
            ) from None
