"""Settings of a profile that do nothing in its store are refused: who wrote them believes that they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.core.selector import selector
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects import survey
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.dialects.dialect import Dialect

__all__ = ["check_effects"]

_KIND: Final = "kind"


def check_effects(engine: Engine, span: Span, dialects: Sequence[Dialect], options: MeshOptions) -> None:
    """Refuse a label that no series carries, and a label of replicas that tells none apart.

    Two small queries a counter where a profile names labels, none where it does not.

    Parameters
    ----------
    engine : Engine
    span : Span
        Where series are looked at: its end, or all of it where nothing is there.
    dialects : sequence of Dialect
        Those that were found.
    options : MeshOptions

    Raises
    ------
    ParameterError
        The setting, and what to do about it.
    """
    named = {f"labels.{name}": label for name, label in options.labels.items() if label}
    named |= {"replica_label": options.replica_label} if options.replica_label else {}
    if not named or not dialects:
        return
    metrics = list(dict.fromkeys(f.requests for d in dialects for view in d.views.values() for f in view.families))
    wanted = [(label,) for label in sorted({*named.values()})]
    carried = [survey.carried_labels(engine, span, metric, wanted, (), options.forced) for metric in metrics]
    if not any(carried):
        return
    for setting, label in named.items():
        if not any(label in labels for labels in carried):
            raise ParameterError(
                f"{setting} of the profile is {plain(label)!r}, a label that no series of {', '.join(metrics)} carries",
                "write a label that the store has, or remove the setting",
            )
    label = options.replica_label
    if label and not any(_merges(engine, span, metric, label, options) for metric in metrics):
        raise ParameterError(
            f"replica_label of the profile is {plain(label)!r}, but no two series of {', '.join(metrics)} differ in it "
            "alone: it removes nothing",
            "name the label by which replicas of one Prometheus differ, or remove the setting",
        )


def _merges(engine: Engine, span: Span, metric: str, label: str, options: MeshOptions) -> bool:
    """Whether a label tells series apart that are otherwise the same; one value alone may be all that is left."""
    every = selector(metric, forced=options.forced)
    if not engine.is_live:
        labels = engine.series(every, span).labels
        if label not in labels or labels[label].nunique() < 2:
            return label in labels
        return bool(labels.drop(columns=label).duplicated().any())
    asked = {
        "all": f"count({every})",
        "without": f"count(count without ({label}) ({every}))",
        "values": f"count(count by ({label}) ({every}))",
    }
    parts = (f'label_replace({promql}, "{_KIND}", "{kind}", "", "")' for kind, promql in asked.items())
    found = engine.query(" or ".join(parts), span.end)
    kinds = found.labels.get(_KIND, ())
    numbers = dict(zip(kinds, found.value[np.argsort(found.sid, kind="stable")].tolist(), strict=True))
    if not numbers:
        return True
    return bool(numbers["values"] < 2 or numbers["without"] < numbers["all"])
