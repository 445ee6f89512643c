"""Replicas of one Prometheus in one store: every series twice but for a label, every count twice as certain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, exactly
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.registry import owned_by_any

__all__ = [
    "between",
    "deduplicate",
    "detect_replicas",
    "duplicated",
    "largest",
    "replica_label",
    "replicas",
    "same_counters",
]

_NEVER: Final = frozenset(
    {"__name__", "le", "job", "instance", "pod", "namespace", "endpoint", "container", "service", "metrics_path"}
)
_LEAST_SHARE: Final = 0.2
"""Part of the series that must coincide: one cluster of several may be scraped twice."""
_MOST_PAIRS: Final = 200
_LARGEST: Final = 40
_FOLLOWED: Final = 4
_RECENT_MS: Final = 300_000
_AGREE: Final = 0.95
"""Part of the samples that must agree: a counter that restarts between two replicas' scrapes does not."""


Owns = Callable[[str], bool]
"""Whether the mesh itself sets a label."""


def replicas(labels: pd.DataFrame, owns: Owns = owned_by_any) -> str:
    """The label that seems to tell replicas apart: without it, series coincide with others; empty where there is none.

    Parameters
    ----------
    labels : DataFrame
        One row a series.
    owns : function of str to bool
        Whether the mesh itself sets a label; those are never looked at.

    Returns
    -------
    str
        Whether the values agree as well is for `same_counters` to say.
    """
    return next(iter(_candidates(labels, owns)), "")


def same_counters(series: SeriesSet, label: str) -> bool:
    """Whether series that differ in one label only carry the same counts at the same times.

    Two scrapes of one counter interleave: what one replica read lies between what the other read just before and just
    after. Different counters with like values do not, and have other ends.

    Parameters
    ----------
    series : SeriesSet
        Raw samples of counters.
    label : str
    """
    starts = series.starts
    grown = False
    group = _groups(series.labels, label)
    shared = group[group.duplicated(keep=False)]
    for _, rows in list(shared.groupby(shared))[:_MOST_PAIRS]:
        cuts = [slice(int(starts[row]), int(starts[row + 1])) for row in rows.index[:2]]
        first, second = ((series.time[c].astype(np.int64), series.value[c]) for c in cuts)
        if min(len(first[0]), len(second[0])) < 2:
            continue
        agree = np.concatenate([between(*first, *second), between(*second, *first)])
        if not len(agree):
            continue
        if agree.mean() < _AGREE:
            return False
        grown |= bool(first[1][-1] != first[1][0])
    return grown


def largest(engine: Engine, selected: str, span: Span) -> pd.DataFrame:
    """Labels of a few of the largest counters at a span's end: a small look before the engine sums them all.

    Replicas of a counter, and the same one scraped twice, are alike in size, so that they stand together.
    """
    return engine.query(f"topk({_LARGEST}, {selected})", span.end).labels


def detect_replicas(
    engine: Engine,
    labels: pd.DataFrame,
    span: Span,
    owns: Owns = owned_by_any,
    forced: Sequence[Matcher] = (),
) -> str:
    """The label that tells replicas apart, from a few counters; empty where there are none.

    Asks nothing where nothing is suspicious.

    Parameters
    ----------
    engine : Engine
    labels : DataFrame
        Of `largest`.
    span : Span
        Its end is looked at.
    owns : function of str to bool
        Whether the mesh itself sets a label.
    forced : sequence of Matcher
        What must stand in every selector.
    """
    last = Span(span.end_ms - _RECENT_MS, span.end_ms)
    for label in _candidates(labels, owns):
        group = _groups(labels, label)
        firsts = labels[group.duplicated(keep=False) & ~group.duplicated()].head(_FOLLOWED)
        raw = []
        for row in firsts.drop(columns=label).to_dict("records"):
            raw.append(engine.samples(exactly(row, forced=forced), last))
        same = [same_counters(series, label) for series in raw if _moves(series)]
        if same and all(same):
            return label
    return ""


def duplicated(source: str, label: str) -> ParameterError:
    """The error for a store that holds replicas."""
    return ParameterError(
        f"series of {plain(source)} are there more than once, apart by the label {label}: each replica of a Prometheus "
        "would count the same requests again",
        f'write replica_label = "{label}" into the profile in meshlab.toml',
    )


def replica_label(series: SeriesSet, owns: Owns = owned_by_any) -> str:
    """The label that tells replicas of one Prometheus apart; empty where there are none.

    Parameters
    ----------
    series : SeriesSet
        Raw samples of counters.
    owns : function of str to bool
        Whether the mesh itself sets a label.
    """
    return next((label for label in _candidates(series.labels, owns) if same_counters(series, label)), "")


def deduplicate(series: SeriesSet, label: str, owns: Owns = owned_by_any) -> SeriesSet:
    """One replica of each scraped target: the one with more samples. Its gaps are not filled from the other.

    The label is left out of the answer: the targets of two jobs may come from different replicas.

    Parameters
    ----------
    series : SeriesSet
    label : str
        Tells the replicas apart.
    owns : function of str to bool
        Whether the mesh itself sets a label; the others tell the target.
    """
    if label not in series.labels or not len(series):
        return series
    target = [c for c in series.labels.columns if c != label and not owns(str(c))]
    samples = pd.Series(np.diff(series.starts), series.labels.index)
    # All series of a target come from one replica: its counters and buckets were read at the same moments.
    whose = series.labels[[*target, label]]
    total = samples.groupby([whose[c] for c in whose.columns], sort=False).transform("sum")
    table = (
        whose.assign(total=total)
        .drop_duplicates([*target, label])
        .sort_values(["total", label], ascending=[False, True])
    )
    chosen = table.drop_duplicates(target)[[*target, label]] if target else table.head(1)[[label]]
    keep = (
        pd.MultiIndex.from_frame(whose).isin(pd.MultiIndex.from_frame(chosen))
        if target
        else whose[label].isin(chosen[label])
    )
    kept = series.only(np.asarray(keep, np.bool_))
    return replace(kept, labels=kept.labels.drop(columns=label))


def _candidates(labels: pd.DataFrame, owns: Owns) -> list[str]:
    """Labels without which series coincide with others, the likeliest first."""
    found = []
    for label in labels.columns:
        if label in _NEVER or owns(str(label)) or labels[label].nunique() < 2:
            continue
        share = float(_groups(labels, label).duplicated(keep=False).mean())
        if share >= _LEAST_SHARE:
            found.append((-share, str(label)))
    return [label for _, label in sorted(found)]


def _groups(labels: pd.DataFrame, label: str) -> pd.Series[int]:
    """Number of the series that each one coincides with, but for a label; shape (series,)."""
    keys = [labels[c] for c in labels.columns if c != label] or [pd.Series(0, labels.index)]
    return labels[label].groupby(keys, sort=False).ngroup()


def between(
    time: NDArray[np.int64], value: NDArray[np.float64], at: NDArray[np.int64], other: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each sample of the other counter lies between this one's neighbours; where those exist."""
    before, after = np.searchsorted(time, at, "left") - 1, np.searchsorted(time, at, "right")
    inside = (before >= 0) & (after < len(time))
    low, high = value[before[inside]], value[after[inside]]
    seen = other[inside]
    return (seen >= low) & (seen <= high)


def _moves(series: SeriesSet) -> bool:
    """Whether any of its counters changed: where none did, like values tell nothing."""
    same = series.sid[1:] == series.sid[:-1]
    return bool((same & (series.value[1:] != series.value[:-1])).any())
