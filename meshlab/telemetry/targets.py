"""Which series were scraped from the same place, and since when: what the first value of a counter means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import group_rows
from meshlab.core.series import SeriesSet
from meshlab.stats.counters import first_scrapes, lost_parts

__all__ = ["NAMESPACES", "PODS", "SCRAPE", "Owns", "Targets", "first_times", "hosts"]

Ints = NDArray[np.int64]
Owns = Callable[[str], bool]
"""Whether the mesh itself sets a label; the others describe the scraped target."""

PODS: Final = ("pod", "pod_name", "kubernetes_pod_name")
"""Labels that name the scraped pod, in order of precedence."""
NAMESPACES: Final = ("namespace", "kubernetes_namespace")
"""Labels that name its namespace."""
SCRAPE: Final = frozenset(
    {
        *("job", "instance", "endpoint", "container", "service", "metrics_path", "scheme", "scrape_job"),
        *("prometheus", "prometheus_replica", "replica", "__replica__", "receive_replica"),
    }
)
"""Labels that say who scraped and how, and nothing of what was scraped."""
_TARGET: Final = frozenset({*SCRAPE, *PODS, *NAMESPACES})


@dataclass(frozen=True, eq=False)
class Targets:
    """The scraped targets behind series of counters.

    Parameters
    ----------
    number : ndarray of int64, shape (series,)
        Which series were scraped from the same place, numbered from 0.
    since : ndarray of int64, shape (series,)
        When the target of each series was first scraped, unix milliseconds.
    raw : SeriesSet
    names : tuple of str
        The labels that tell targets apart.
    sums : function to ndarray of int64, optional
        Which series lose a part together where they are sums (`stats.counters.lost_parts`); the targets by default.
        Called only where something fell.
    """

    number: Ints
    since: Ints
    raw: SeriesSet
    names: tuple[str, ...] = ()
    sums: Callable[[], Ints] | None = None

    @classmethod
    def by(cls, raw: SeriesSet, names: Sequence[str], sums: Callable[[], Ints] | None = None) -> Self:
        """Targets that some labels tell apart; of their past nothing is known but the series themselves."""
        number = group_rows(raw.labels[list(names)])[0]
        return cls(number, first_scrapes(raw.sid, _ms(raw), number), raw, tuple(names), sums)

    @classmethod
    def of_mesh(cls, raw: SeriesSet, owns: Owns, sums: Callable[[], Ints] | None = None) -> Self:
        """Targets by all labels that the mesh does not set itself."""
        return cls.by(raw, [str(name) for name in raw.labels.columns if not owns(str(name))], sums)

    @classmethod
    def of_proxies(cls, raw: SeriesSet) -> Self:
        """Targets by the labels of scrapes and pods alone: any other may be the exported metric's own."""
        return cls.by(raw, [str(name) for name in raw.labels.columns if name in _TARGET])

    @cached_property
    def groups(self) -> Ints:
        """Which series lose a part together; shape (series,)."""
        return self.number if self.sums is None else self.sums()

    @cached_property
    def unknown(self) -> Ints:
        """The samples up to which nobody knows how much a counter rose: a part of the sum went away."""
        raw = self.raw
        fell = (raw.sid[1:] == raw.sid[:-1]) & (raw.value[1:] < raw.value[:-1])
        if not fell.any():
            return np.empty(0, np.int64)
        found = lost_parts(raw.sid, _ms(raw), raw.value, self.groups)
        named = [raw.labels[name] != "" for name in PODS if name in raw.labels]
        if not named or not len(found):
            return found
        # What names its pod is no sum over pods: it fell because its process was started anew.
        own = np.logical_or.reduce([column.to_numpy(np.bool_) for column in named])
        kept: Ints = found[~own[raw.sid[found]]]
        return kept


def hosts(labels: pd.DataFrame) -> pd.Series[str]:
    """The pod behind each series, or the host of its address where no label names a pod; empty: not known."""
    text = pd.Series("", labels.index, dtype=str)
    for name in PODS:
        if name in labels:
            text = text.where(text != "", labels[name].astype(str))
    if "instance" in labels:
        address = labels["instance"].astype(str).str.replace(r":\d+$", "", regex=True)
        text = text.where(text != "", address)
    return text


def first_times(raw: SeriesSet) -> Ints:
    """When each series begins, unix milliseconds; of one without samples: never; shape (series,)."""
    starts = raw.starts
    first, there = np.full(len(raw), np.iinfo(np.int64).max), starts[:-1] < starts[1:]
    first[there] = _ms(raw)[starts[:-1][there]]
    return first


def _ms(raw: SeriesSet) -> Ints:
    return raw.time.astype("datetime64[ms]", copy=False).view(np.int64)
