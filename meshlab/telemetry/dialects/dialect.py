"""What a dialect is: one mesh's metric and label names as data, and the one implementation that reads them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, equal, selector
from meshlab.core.suggest import suggest
from meshlab.core.window import format_duration
from meshlab.errors import ContractError, ParameterError
from meshlab.telemetry.dialects.base import PLAIN, VOCABULARY, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Column, Condition

__all__ = ["Dialect", "Family", "View", "Where", "every_query"]

Where = Sequence[Condition | Matcher]
"""What is asked for: in the vocabulary's words, or as the store's own labels."""

_METRICS = ("requests", "durations")
_NOTHING = Column()


@dataclass(frozen=True, slots=True)
class Family:
    """The metrics of one kind of request (HTTP, gRPC) as one side reports it.

    Parameters
    ----------
    requests : str
        The counter of answered requests.
    durations : str
        The bucket metric of their durations; empty where there is none.
    unit_ms : float
        Milliseconds in one unit of the buckets' edges.
    columns : mapping of str to Column
        The words of the vocabulary that it has; the others are empty.
    matchers : tuple of Matcher
        What selects this side's series of both metrics.
    outcomes : tuple of Matcher
        What must be said of the counter's series beside that.
    """

    requests: str
    durations: str
    unit_ms: float
    columns: Mapping[str, Column]
    matchers: tuple[Matcher, ...] = ()
    outcomes: tuple[Matcher, ...] = ()

    def column(self, word: str) -> Column:
        """How a word is read here.

        Raises
        ------
        ContractError
            The word is not in the vocabulary.
        """
        if word not in VOCABULARY:
            raise ContractError(f"{word!r} is no word of the vocabulary")
        return self.columns.get(word, _NOTHING)

    def named(self, labels: pd.DataFrame, words: Iterable[str]) -> pd.DataFrame:
        """The columns of the vocabulary, made from a label table; a label that is absent everywhere is empty."""
        return pd.DataFrame({w: self.column(w).values(labels, w) for w in words}, index=labels.index)

    def labels(self, words: Iterable[str]) -> tuple[str, ...]:
        """The labels behind some words, each once, in the order of the words."""
        return tuple(dict.fromkeys(label for word in words for label in self.column(word).reads))

    def asked(self, where: Where) -> tuple[Matcher, ...]:
        """The matchers that the engine can apply; what they let through is still to be filtered."""
        found = [(w,) if isinstance(w, Matcher) else self.column(w.word).matchers(w.values, w.word) for w in where]
        return tuple(matcher for matchers in found for matcher in matchers)


@dataclass(frozen=True, slots=True)
class View:
    """One side of the edges: where its reports are, and who is believed when several speak of one edge.

    Parameters
    ----------
    families : tuple of Family
        Counted together. None: this mesh does not report this side.
    preferred : tuple of str
        Reporters that may speak of the same edge, the most believed first. None: each edge is reported once.
    service_from_source : bool
        Whether this side knows workloads only, and which service they belong to is told by the callers' side.
    else_workload : bool
        Whether a workload that was not called by a service stands for itself.
    """

    families: tuple[Family, ...] = ()
    preferred: tuple[str, ...] = ()
    service_from_source: bool = False
    else_workload: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One mesh's own words. Every selector and expression about a mesh is made here.

    Parameters
    ----------
    name : str
        The mesh's name, for people.
    views : mapping of Reporter to View
    own : str
        Regular expression of the labels that the mesh sets; the others tell the scraped target.
    keeps : tuple of (metric, matchers)
        All that the notebooks read of this mesh.
    connections : str
        Counter of TCP connections, where the mesh has one under the same labels.
    remedies : mapping of str to str
        What to do where ``source``, ``destination`` or ``latency`` is missing.
    options : MeshOptions
    """

    name: str
    views: Mapping[Reporter, View]
    own: str
    keeps: tuple[tuple[str, tuple[Matcher, ...]], ...]
    connections: str = ""
    remedies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    options: MeshOptions = PLAIN

    @property
    def recorded(self) -> tuple[str, ...]:
        """Selectors of all that the notebooks read of this mesh."""
        named = ((metric, ()) for metric in self.options.metrics.values())
        return tuple(selector(metric, *m, forced=self.options.forced) for metric, m in (*self.keeps, *named))

    def owns(self, label: str) -> bool:
        """Whether the mesh sets a label; the others tell the scraped target."""
        return re.fullmatch(self.own, label) is not None or label in self.options.labels.values()

    def families(self, reporter: Reporter) -> tuple[Family, ...]:
        """The metrics of one side; empty where the mesh does not report it."""
        return self.views[reporter].families

    def detect(self) -> tuple[str, ...]:
        """Selectors of the request counters, all that say who called whom."""
        found = [self.counts(family, ()) for reporter in Reporter for family in self.families(reporter)]
        return tuple(dict.fromkeys(found))

    def counts(self, family: Family, where: Where) -> str:
        """Selector of a family's request counter."""
        matchers = (*family.matchers, *family.outcomes, *family.asked(where))
        return selector(family.requests, *matchers, forced=self.options.forced)

    def buckets(self, family: Family, where: Where) -> str:
        """Selector of a family's duration histogram's buckets.

        Raises
        ------
        ContractError
            The family has none.
        """
        if not family.durations:
            raise ContractError(f"{self.name} has no durations beside {family.requests}")
        return selector(family.durations, *family.matchers, *family.asked(where), forced=self.options.forced)

    def sums(self, family: Family, where: Where) -> str:
        """Selector of the sum of a family's durations, in the unit of its buckets' edges.

        Raises
        ------
        ContractError
            The family has no durations.
        """
        if not family.durations:
            raise ContractError(f"{self.name} has no durations beside {family.requests}")
        metric = f"{family.durations.removesuffix('_bucket')}_sum"
        return selector(metric, *family.matchers, *family.asked(where), forced=self.options.forced)

    def increase(self, family: Family, where: Where, by: Sequence[str], range_ms: int) -> str:
        """Expression: requests over a range, summed by the labels behind words of the vocabulary."""
        return self._sum("increase", family, where, by, range_ms)

    def rate(self, family: Family, where: Where, by: Sequence[str], range_ms: int) -> str:
        """Expression: requests a second, summed by the labels behind words of the vocabulary."""
        return self._sum("rate", family, where, by, range_ms)

    def seen(self, family: Family, by: Sequence[str], range_ms: int) -> str:
        """Expression: how many counters there were in a range, by the labels behind words of the vocabulary."""
        labels = ", ".join(family.labels(by))
        return f"count by ({labels}) (last_over_time({self.counts(family, ())}[{format_duration(range_ms)}]))"

    def _sum(self, function: str, family: Family, where: Where, by: Sequence[str], range_ms: int) -> str:
        words = (*by, *(w.word for w in where if isinstance(w, Condition)))
        inner = f"{function}({self.counts(family, where)}[{format_duration(range_ms)}])"
        if self.options.replica_label:
            inner = f"max without ({self.options.replica_label}) ({inner})"
        return f"sum by ({', '.join(family.labels(words))}) ({inner})"

    def with_options(self, options: MeshOptions) -> Dialect:
        """The same words under the names that a profile gives them.

        Raises
        ------
        ParameterError
            A metric or a word that does not exist, or a label that is none.
        """
        _known("metric", options.metrics, _METRICS)
        _known("word", options.labels, VOCABULARY)
        for label in (options.replica_label, *options.labels.values()):
            # These names stand in "by" and "without", where nothing can be quoted.
            if label:
                equal(label, "")
        views = {reporter: _renamed(view, options) for reporter, view in self.views.items()}
        return dataclasses.replace(self, views=MappingProxyType(views), options=options)


def _renamed(view: View, options: MeshOptions) -> View:
    if not options.metrics and not options.labels:
        return view
    given = {word: Column(labels=(label,) if label else ()) for word, label in options.labels.items()}
    families = []
    for family in view.families[:1] if "requests" in options.metrics else view.families:
        chooses = {label: word for word, column in family.columns.items() for label in column.labels}
        renamed = {label: options.labels[word] for label, word in chooses.items() if word in options.labels}
        matchers = [m for m in family.matchers if renamed.get(m.name, m.name)]
        families.append(
            dataclasses.replace(
                family,
                requests=options.metrics.get("requests", family.requests),
                durations=options.metrics.get("durations", family.durations),
                columns=MappingProxyType({**family.columns, **given}),
                matchers=tuple(dataclasses.replace(m, name=renamed.get(m.name, m.name)) for m in matchers),
            )
        )
    return dataclasses.replace(view, families=tuple(families))


def _known(kind: str, given: Mapping[str, str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise ParameterError(f"{plain(name)!r} is no {kind} that can be named otherwise", suggest(name, known))


def every_query(
    dialects: Iterable[Dialect], namespace: str = "shop", service: str = "catalog", range_ms: int = 60_000
) -> list[str]:
    """Every shape of PromQL that dialects emit, for tests that compare engines.

    Parameters
    ----------
    dialects : iterable of Dialect
    namespace, service : str
        The subject.
    range_ms : int
        Range of the rates, milliseconds.
    """
    words = ("destination_cluster", "destination_namespace", "destination_service", "destination_version", "code")
    one = (Condition("destination_service", (service,)), Condition("destination_namespace", (namespace,)))
    queries: list[str] = []
    for dialect in dialects:
        queries += dialect.detect()
        for family in (f for reporter in Reporter for f in dialect.families(reporter)):
            queries.append(dialect.seen(family, words, range_ms))
            for where in ((), one):
                queries.append(dialect.counts(family, where))
                queries += [dialect.buckets(family, where), dialect.sums(family, where)] if family.durations else []
                for count in range(1, len(words) + 1):
                    queries += [f(family, where, words[:count], range_ms) for f in (dialect.increase, dialect.rate)]
            queries.append(dialect.counts(family, [Condition("code", ("500", "503", "5.."))]))
    return list(dict.fromkeys(queries))
