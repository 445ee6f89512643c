"""Which labels the series of a store carry, from at most two small queries a store."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from meshlab.core.selector import Matcher, differs, selector
from meshlab.core.times import format_duration
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.family import Family

__all__ = ["carried_labels", "fitted", "profile_lines"]

_LABEL: Final = "label"


def fitted(engine: Engine, span: Span, dialects: Sequence[Dialect]) -> tuple[Dialect, ...]:
    """Dialects as a store needs them whose labels were dropped when it was scraped.

    Parameters
    ----------
    engine : Engine
    span : Span
        Where series are looked at: its end, or all of it where nothing is there.
    dialects : sequence of Dialect
    """
    found: dict[str, Set[str]] = {}
    wanted: dict[str, tuple[set[tuple[str, ...]], set[str]]] = {}
    for family in (f for dialect in dialects for view in dialect.views.values() for f in view.families):
        if family.alternatives:
            usual, others = wanted.setdefault(family.requests, (set(), set()))
            usual |= {family.column(name).labels for name in family.alternatives}
            others |= {label for columns in family.alternatives.values() for c in columns for label in c.labels}
    for metric, (usual, others) in wanted.items():
        forced = dialects[0].options.forced
        found[metric] = carried_labels(engine, span, metric, sorted(usual), sorted(others), forced)

    def carried(family: Family) -> Set[str]:
        return found.get(family.requests, frozenset())

    return tuple(dialect.fitted(carried) for dialect in dialects)


def carried_labels(
    engine: Engine,
    span: Span,
    metric: str,
    usual: Sequence[Sequence[str]],
    others: Sequence[str] = (),
    forced: Sequence[Matcher] = (),
) -> frozenset[str]:
    """The labels that any series of a metric carries, at least those among some.

    Parameters
    ----------
    engine : Engine
    span : Span
    metric : str
    usual : sequence of sequence of str
        Where one series carries one of each of these, the others are not looked for.
    others : sequence of str
    forced : sequence of Matcher
        What stands in every selector.
    """
    every = selector(metric, forced=forced)
    if not engine.is_live:
        labels = engine.series(every, span).labels
        return frozenset(str(name) for name in labels if (labels[name] != "").any())
    length = format_duration(span.duration_ms)
    for before, after in (("", ""), ("last_over_time(", f"[{length}])")):
        one = engine.query(f"topk(1, {before}{every}{after})", span.end).labels
        if len(one):
            break
    else:
        return frozenset()
    sample = frozenset(str(name) for name in one if (one[name] != "").any())
    if all(sample & {*labels} for labels in usual):
        return sample
    asked = (
        f"label_replace(count({before}{selector(metric, differs(label, ''), forced=forced)}{after}), "
        f'"{_LABEL}", "{label}", "", "")'
        for label in dict.fromkeys((*(label for labels in usual for label in labels), *others))
    )
    rows = engine.query(" or ".join(asked), span.end).labels
    return sample | frozenset(rows.get(_LABEL, ()))


def profile_lines(dialect: Dialect) -> tuple[str, ...]:
    """Lines of ``[profile.NAME.labels]`` that say which labels stand in for dropped ones; none where none were."""
    return tuple(f'{name} = "{label}"' for name, label in sorted(dialect.instead.items()))
