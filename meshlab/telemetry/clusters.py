"""Clusters that a mesh calls by one name: distinguished by a label that only their Prometheus sets.

Istio names a cluster ``Kubernetes`` unless it is configured otherwise; kiali/kiali#3335, #4664, #6990 show stores that
hold several of these, apart by an external label. Such a label is known by what calls do: they never cross it. The
places of pods in one mesh (nodes, zones) are crossed by calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.selector import selector
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.dialect import Dialect, Family

__all__ = ["CLUSTERS", "ClusterLabel", "cluster_label"]

CLUSTERS: Final = ("source_cluster", "destination_cluster")
_EDGE: Final = ("source_namespace", "source", "destination_namespace", "destination_workload")
_NEVER: Final = frozenset({"__name__", "job", "instance", "pod", "le"})
_MOST_VALUES: Final = 50
_RANGE: Final = "15m"
_CROSSING: Final = 0.05
"""Part of the requests that may seem to cross: both sides are never scraped at one moment."""


@dataclass(frozen=True, slots=True)
class ClusterLabel:
    """A label that tells clusters apart.

    Parameters
    ----------
    label : str
    values : tuple of str
        Sorted.
    name : str
        What the mesh calls all of them; empty where it has no word for a cluster.
    """

    label: str
    values: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        shown = ", ".join(map(plain, self.values[:5])) + (", ..." if len(self.values) > 5 else "")
        same = f" (the mesh calls each {plain(self.name)})" if self.name else ""
        return f"distinguished by the label {plain(self.label)}: {shown}{same}"


def cluster_label(
    engine: Engine, dialect: Dialect, family: Family, sample: pd.DataFrame, span: Span
) -> ClusterLabel | None:
    """Find the label that tells clusters of one name apart.

    Parameters
    ----------
    engine : Engine
    dialect : Dialect
    family : Family
        Whose counters are looked at.
    sample : DataFrame
        Labels of some of them, one row a series: where no label can be the one, nothing is asked.
    span : Span
        Its end is looked at.

    Returns
    -------
    ClusterLabel or None
        None where clusters have names of their own, or calls cross every label.

    Notes
    -----
    One small query; two or three more only where some label that the mesh does not set is on every target and has
    several values.
    """
    candidates = [
        str(label)
        for label in sample.columns
        if label not in (*_NEVER, *_EDGE, *CLUSTERS) and not dialect.owns(str(label)) and (sample[label] != "").all()
    ]
    candidates = _everywhere(engine, dialect, candidates, span) if candidates else []
    if not candidates:
        return None
    sides = [_edges(engine, dialect, side, candidates, span) for side in Reporter]
    every = pd.concat(sides)
    for label in candidates:
        values = sorted(set(every[label]))
        names = set(every[list(CLUSTERS)].to_numpy().ravel()) - {""}
        if not 2 <= len(values) <= _MOST_VALUES or "" in values or len(names) > 1:
            continue
        if _splits_workloads(every, label) and not _alike(every, label) and not _crossed(sides, label):
            return ClusterLabel(label, tuple(values), next(iter(names), ""))
    return None


def _everywhere(engine: Engine, dialect: Dialect, labels: Sequence[str], span: Span) -> list[str]:
    """Which labels are on every scraped target and have several values there; all where nothing is known of targets."""
    targets = selector("up", forced=dialect.options.forced)
    table = engine.query(f"count by ({', '.join(labels)}) (last_over_time({targets}[{_RANGE}]))", span.end).labels
    if not len(table):
        return list(labels)
    return [name for name in labels if name in table and (table[name] != "").all() and table[name].nunique() > 1]


def _edges(engine: Engine, dialect: Dialect, reporter: Reporter, more: Sequence[str], span: Span) -> pd.DataFrame:
    """Edges, clusters and requests of one side, by some labels: the dimensions, the labels and ``requests``."""
    parts = [pd.DataFrame(columns=[*_EDGE, *CLUSTERS, *more, "requests"])]
    for family in dialect.families(reporter):
        labels = dict.fromkeys((*family.labels((*_EDGE, *CLUSTERS)), *more))
        inner = f"increase({dialect.counts(family, ())}[{_RANGE}])"
        answer: SeriesSet = engine.query(f"sum by ({', '.join(labels)}) ({inner})", span.end)
        table = family.named(answer.labels, (*_EDGE, *CLUSTERS))
        for label in more:
            table[label] = answer.labels[label].astype(str) if label in answer.labels else ""
        table["requests"] = np.bincount(answer.sid, np.nan_to_num(answer.value), len(answer))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _splits_workloads(edges: pd.DataFrame, label: str) -> bool:
    """Whether one edge stands under several values, and each value holds several workloads (or all there are)."""
    apart = edges.drop_duplicates([*_EDGE, label])
    workloads = apart.groupby(label)["destination_workload"].nunique()
    several = min(2, apart["destination_workload"].nunique())
    return bool(apart.duplicated(list(_EDGE)).any() and (workloads >= several).all())


def _alike(edges: pd.DataFrame, label: str) -> bool:
    """Whether each value counts the same: replicas of one Prometheus do, clusters with loads of their own do not."""
    counted = edges.groupby([*_EDGE, label])["requests"].sum().unstack(label).fillna(0.0)
    least, most = counted.min(axis=1), counted.max(axis=1)
    return bool((most - least).sum() <= _CROSSING * most.sum())


def _crossed(sides: Sequence[pd.DataFrame], label: str) -> bool:
    """Whether calls cross the label: then what an edge's two sides count differs by its values."""
    counted = [side.groupby([*_EDGE, label])["requests"].sum().unstack(label).fillna(0.0) for side in sides]
    both = [side.loc[counted[0].index.intersection(counted[1].index)] for side in counted]
    shares = [side.div(side.sum(axis=1), axis=0).fillna(0.0) for side in both]
    if not len(shares[0]) or not both[0].to_numpy().sum():
        # One side reports: nothing speaks against a label that is made for it.
        return "cluster" not in label
    weight = both[0].sum(axis=1) / both[0].to_numpy().sum()
    columns = sorted({*shares[0].columns, *shares[1].columns})
    first, second = (side.reindex(columns=columns, fill_value=0.0) for side in shares)
    return bool((0.5 * (first - second).abs().sum(axis=1) * weight).sum() > _CROSSING)
