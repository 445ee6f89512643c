"""Whose a workload is, by a label that kube-state-metrics exports on demand (``--metric-labels-allowlist``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from meshlab.core.selector import Matcher, differs, matches, selector
from meshlab.engines.base import Engine

__all__ = ["METRICS", "owners"]

METRICS: Final = "kube_(deployment|statefulset|daemonset|service)_labels"
_NAMES: Final = ("service", "deployment", "statefulset", "daemonset")


def owners(engine: Engine, label: str, forced: Sequence[Matcher] = ()) -> dict[tuple[str, str, str], str]:
    """Read a label of services and workloads, as it is now.

    Parameters
    ----------
    engine : Engine
    label : str
        As it stands on the object, such as ``app.kubernetes.io/part-of``.
    forced : sequence of Matcher

    Returns
    -------
    dict
        From cluster, namespace and name to the label's value. A service's own label stands before that of a workload
        of the same name. What has two values is left out: nobody can tell which one holds.
    """
    # kube-state-metrics writes what a label's name may not hold as underscores.
    name = f"label_{re.sub(r'[^a-zA-Z0-9_]', '_', label)}"
    chosen = selector("", matches("__name__", METRICS), differs(name, ""), forced=forced)
    by = ", ".join(("cluster", "namespace", *_NAMES, name))
    labels = engine.query(f"count by ({by}) ({chosen})").labels.to_dict("records")
    found: dict[tuple[str, str, str], str] = {}
    for kind in _NAMES:
        values: dict[tuple[str, str, str], set[str]] = {}
        for row in labels:
            if row.get(kind):
                key = (str(row.get("cluster", "")), str(row.get("namespace", "")), str(row[kind]))
                values.setdefault(key, set()).add(str(row[name]))
        found = {**{key: value for key, (value, *more) in values.items() if not more}, **found}
    return found
