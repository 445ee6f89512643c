"""What Prometheus 3 says beside an answer (util/annotations): its words, without the place in the query."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lifted", "Notes", "quoted"]

_LIFTED: Final = (
    "input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)
_MOST: Final = 10
"""So many quantiles that are none are named."""
_COUNTERS: Final = ("_total", "_sum", "_count", "_bucket")


@dataclass(slots=True)
class Lifted:
    """Histograms whose counts fell from one bucket to a wider one.

    Parameters
    ----------
    histograms : int
        How many, over all steps.
    low, high : float
        The lowest and the highest edge of a bucket that was lifted.
    most : float
        The largest difference.
    first_ms, last_ms : int
    """

    histograms: int
    low: float
    high: float
    most: float
    first_ms: int
    last_ms: int

    def add(self, other: Lifted) -> None:
        """Count another finding in."""
        self.histograms += other.histograms
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.most = max(self.most, other.most)
        self.first_ms, self.last_ms = min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms)

    def __str__(self) -> str:
        first, last = (datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19] for ms in (self.first_ms, self.last_ms))
        return (
            f"{_LIFTED}, from buckets {self.low:g} to {self.high:g}, with a max diff of {self.most:.2g}, "
            f"over {self.histograms} samples from {first}Z to {last}Z"
        )


@dataclass(slots=True)
class Notes:
    """The warnings and infos of an evaluation, each once; nothing in Prometheus 2, which says none.

    Parameters
    ----------
    spoken : bool
        Whether the rules are those of Prometheus 3.
    """

    spoken: bool
    _warnings: dict[str, None] = field(default_factory=dict)
    _infos: dict[str, None] = field(default_factory=dict)
    _lifted: Lifted | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """In the order in which they arose."""
        return tuple(f"PromQL warning: {text}" for text in self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        """In the order in which they arose."""
        lifted = () if self._lifted is None else (str(self._lifted),)
        return tuple(f"PromQL info: {text}" for text in (*self._infos, *lifted))

    def quantiles(self, phi: NDArray[np.float64]) -> None:
        """Quantiles of which some are none."""
        if self.spoken:
            for odd in np.unique(phi[~((phi >= 0) & (phi <= 1))])[:_MOST].tolist():
                self._warn(f"quantile value should be between 0 and 1, got {_go(odd)}")

    def sorted_range(self) -> None:
        """A sort whose order a range does not keep."""
        self._warn("sort is ineffective for range queries since results are always ordered by labels")

    def bucket(self, edge: str, metric: str) -> None:
        """A series without a readable ``le``."""
        of = f" for metric name {quoted(metric)}" if metric else ""
        self._warn(f'bucket label "le" is missing or has a malformed value of {quoted(edge)}{of}')

    def rated(self, metrics: Iterable[tuple[str, str | None]]) -> None:
        """Names, and types where they are recorded, of metrics of which a rate was asked."""
        for metric, kind in metrics:
            if kind is None:
                if not metric.endswith(_COUNTERS):
                    text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
                    self._inform(f"{text} {quoted(metric)}")
            elif kind not in ("counter", "histogram"):
                text = 'metric might not be a counter, __type__ label is not set to "counter" or "histogram", got'
                self._inform(f"{text} {quoted(kind)}: {quoted(metric)}")

    def lifted(self, found: Lifted) -> None:
        """Histograms that were made monotonic."""
        if self.spoken:
            if self._lifted is None:
                self._lifted = found
            else:
                self._lifted.add(found)

    def _warn(self, text: str) -> None:
        if self.spoken:
            self._warnings[text] = None

    def _inform(self, text: str) -> None:
        if self.spoken:
            self._infos[text] = None


def quoted(text: str) -> str:
    """As Go's ``%q`` writes it, as far as labels of people need it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def _go(number: float) -> str:
    """As Go's ``%g`` writes it: the shortest text that reads back as the number."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else f"{number:+}".replace("inf", "Inf")
    short = number == 0 or -4 <= math.floor(math.log10(abs(number))) < 6
    write = np.format_float_positional if short else partial(np.format_float_scientific, exp_digits=2)
    return str(write(number, trim="-"))
