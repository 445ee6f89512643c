"""Labels that a scrape has renamed, read as what they were; the one place where label tables come from an engine.

With ``honor_labels: false``, its default, Prometheus keeps its own ``namespace``, ``pod`` or ``job`` of the scraped
target, and puts the exporter's into ``exported_namespace`` and so on (prometheus.io, "Configuration: scrape_config").
Where the target is kube-state-metrics or another Prometheus, its own labels say nothing about what is measured. Which
metrics are concerned is found out from the data, not by their names. The target's labels stay as
``scraper_namespace``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.selector import Matcher, differs, equal, matches, one_of, selector
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import Engine
from meshlab.engines.selectors import Selector, groupings, selectors
from meshlab.telemetry.dialects.dialect import Dialect

__all__ = ["RenamedEngine", "Renames", "find", "in_original_words", "original", "renamed", "store_of"]

Renames = Mapping[str, Mapping[str, bool]]
"""By metric: the labels that were renamed, and whether they were in all of its series."""

_EXPORTED: Final = "exported_"
_SCRAPER: Final = "scraper_"
_TARGETS: Final = ("namespace", "pod", "service", "job", "instance", "container", "node", "endpoint", "cluster")
"""Labels that scrape configurations give to targets."""
_EXPORTERS: Final = "kube_(horizontalpodautoscaler|deployment|statefulset|daemonset|replicaset|pod|service)_.+"
_RENAMED: Final = "renamed"


def find(engine: Engine, span: Span, dialects: Sequence[Dialect]) -> Renames:
    """Which metrics of meshes and Kubernetes' exporters have renamed labels; one small query where none has.

    Parameters
    ----------
    engine : Engine
    span : Span
        Its end is looked at, all of it in a recording.
    dialects : sequence of Dialect
        Whose metrics are read.
    """
    names = matches("__name__", "|".join(dict.fromkeys([*_patterns(dialects), _EXPORTERS])))
    forced = dialects[0].options.forced
    if not engine.is_live:
        return _in_table(engine.series(selector("", names, forced=forced), span).labels)

    def counted(chosen: Matcher, conditions: Iterable[tuple[str, Matcher]]) -> Iterator[tuple[str, str]]:
        asked = (
            f"label_replace(count by (__name__) ({selector('', chosen, condition, forced=forced)}), "
            f'"{_RENAMED}", "{label}", "", "")'
            for label, condition in conditions
        )
        table = engine.query(" or ".join(asked), span.end).labels
        yield from zip(table.get("__name__", ()), table.get(_RENAMED, ()), strict=True)

    found = list(counted(names, ((label, differs(f"{_EXPORTED}{label}", "")) for label in _TARGETS)))
    if not found:
        return {}
    these = one_of("__name__", sorted({name for name, _ in found}))
    labels = dict.fromkeys(label for _, label in found)
    partly = set(counted(these, ((label, equal(f"{_EXPORTED}{label}", "")) for label in labels)))
    renames: dict[str, dict[str, bool]] = {}
    for name, label in found:
        renames.setdefault(name, {})[label] = (name, label) not in partly
    return renames


def renamed(engine: Engine, span: Span, dialects: Sequence[Dialect]) -> Engine:
    """The engine with labels as they were before a scrape renamed them; itself where none was."""
    renames = find(engine, span, dialects) if dialects else {}
    return RenamedEngine(engine, renames) if renames else engine


def in_original_words(engine: Engine, dialect: Dialect) -> Dialect:
    """A dialect whose profile names labels as the store has them, where these are now what they were before."""
    if not isinstance(engine, RenamedEngine):
        return dialect
    renamed = {f"{_EXPORTED}{label}": label for labels in engine.renames.values() for label in labels}
    labels = {name: renamed.get(label, label) for name, label in dialect.options.labels.items()}
    if labels == {**dialect.options.labels}:
        return dialect
    return dialect.with_options(replace(dialect.options, labels=labels))


def _patterns(dialects: Sequence[Dialect]) -> Iterator[str]:
    """Regular expressions of the names of all metrics that dialects read."""
    for dialect in dialects:
        yield from (m.value for row in dialect.recorded_selectors for m in row if m.name == "__name__")
        yield from dialect.options.metrics.values()


def _in_table(labels: pd.DataFrame) -> Renames:
    found: dict[str, dict[str, bool]] = {}
    for name, mine in labels.groupby("__name__") if "__name__" in labels else ():
        there = {label: mine[f"{_EXPORTED}{label}"] != "" for label in _TARGETS if f"{_EXPORTED}{label}" in mine}
        renamed = {label: bool(given.all()) for label, given in there.items() if given.any()}
        if renamed:
            found[str(name)] = renamed
    return found


def original(labels: pd.DataFrame, renamed: Iterable[str], *, keep: bool = True) -> pd.DataFrame:
    """A label table whose renamed labels are what they were.

    Parameters
    ----------
    labels : DataFrame
        One row a series.
    renamed : iterable of str
        Labels that were renamed in some of the series.
    keep : bool
        Whether the scraper's own labels stay, under other names.
    """
    made = labels.copy(deep=False)
    nothing = pd.Series("", labels.index, dtype=str)
    for label in renamed:
        given = made.pop(f"{_EXPORTED}{label}") if f"{_EXPORTED}{label}" in made else nothing
        own = made.get(label, nothing)
        was = given != ""
        if was.any():
            made[label] = own.where(~was, given)
            if keep and (own[was] != "").any():
                made[f"{_SCRAPER}{label}"] = own.where(was, "")
    return made[sorted(made.columns)]


def store_of(engine: Engine) -> Engine:
    """The engine that speaks in the store's own labels, as a person writes them."""
    return engine.store if isinstance(engine, RenamedEngine) else engine


@dataclass(frozen=True, eq=False)
class RenamedEngine:
    """An engine in whose questions and answers labels are what they were before a scrape renamed them.

    Parameters
    ----------
    store : Engine
    renames : mapping of str to mapping of str to bool
        As `find` gives them.
    """

    store: Engine
    renames: Renames

    @property
    def description(self) -> str:
        """The store's."""
        return self.store.description

    @property
    def is_live(self) -> bool:
        """The store's."""
        return self.store.is_live

    @cached_property
    def left_open(self) -> bool:
        """The store's."""
        return self.store.left_open

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant."""
        asked = self._asked(promql)
        return asked.read(self.store.query(asked.promql, at))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression at every point of a window's grid."""
        asked = self._asked(promql)
        return asked.read(self.store.query_range(asked.promql, window))

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Raw samples with start < time <= end."""
        asked = self._asked(selector)
        return asked.read(self.store.samples(asked.promql, window))

    def series(self, selector: str, window: Span) -> SeriesSet:
        """The label table of the series with data in the window."""
        asked = self._asked(selector)
        return asked.read(self.store.series(asked.promql, window))

    def span(self) -> tuple[datetime, datetime] | None:
        """The store's."""
        return self.store.span()

    def now(self) -> datetime:
        """The store's."""
        return self.store.now()

    def __getattr__(self, name: str) -> Any:
        """What else the store has, such as its status."""
        if name == "store":
            raise AttributeError(name)
        return getattr(self.store, name)

    def _asked(self, promql: str) -> _Asked:
        """An expression in the store's words."""
        renamed: dict[str, None] = {}
        left_open: list[Matcher] = []
        for found in reversed(selectors(promql)):
            mine = self._renamed_in(found)
            renamed |= dict.fromkeys(mine)
            matchers = []
            for matcher in found.matchers:
                if matcher.name not in mine:
                    matchers.append(matcher)
                elif mine[matcher.name]:
                    matchers.append(replace(matcher, name=f"{_EXPORTED}{matcher.name}"))
                else:
                    # One label in some of the series, another in the rest: all are asked for, and filtered.
                    left_open.append(matcher)
            if matchers != [*found.matchers]:
                written = found.written(found.metric, tuple(matchers))
                promql = f"{promql[: found.start]}{written}{promql[found.end :]}"
        if not renamed:
            return _Asked(promql)
        lists = groupings(promql)
        for group in reversed(lists):
            labels: list[str] = []
            for label in group.labels:
                own = label.removeprefix(_SCRAPER)
                if own != label and own in renamed:
                    labels.append(own)
                else:
                    labels += [label, f"{_EXPORTED}{label}"] if label in renamed else [label]
            promql = f"{promql[: group.start]}{', '.join(labels)}{promql[group.end :]}"
        return _Asked(promql, tuple(renamed), tuple(left_open), bool(lists))

    def _renamed_in(self, found: Selector) -> dict[str, bool]:
        """The labels that were renamed in what a selector selects, and whether in all of it for certain."""
        mine: dict[str, bool] = {}
        for name, labels in self.renames.items():
            if found.may_be(name):
                for label, everywhere in labels.items():
                    mine[label] = everywhere and bool(found.name)
        return mine


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in the store's words, and how its answer is read."""

    promql: str
    renamed: tuple[str, ...] = ()
    left_open: tuple[Matcher, ...] = ()
    grouped: bool = False

    def read(self, answer: SeriesSet) -> SeriesSet:
        if not self.renamed:
            return answer
        labels = original(answer.labels, self.renamed, keep=not self.grouped)
        made = replace(answer, labels=labels)
        if not self.left_open:
            return made
        keep = np.ones(len(labels), np.bool_)
        for matcher in self.left_open:
            text = labels.get(matcher.name, pd.Series("", labels.index, dtype=str))
            keep &= text.map({value: matcher.holds(value) for value in text.unique()}).to_numpy(np.bool_)
        return made.only(keep)
