"""What a dialect is: what one mesh exports, in its own words, as data."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, equal, selector
from meshlab.core.suggest import suggest
from meshlab.core.times import format_duration
from meshlab.errors import ContractError, ParameterError
from meshlab.telemetry.dialects.base import DIMENSIONS, PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.family import Family, View, Where
from meshlab.telemetry.dialects.signal import Signal, Signals

__all__ = ["REMEDIES", "Dialect", "Family", "Outdated", "View", "Where", "every_query"]

REMEDIES: Final = ("source", "destination", "latency")
"""What each dialect must have a remedy for: requests of either side, and durations."""

_METRICS: Final = ("requests", "durations")


@dataclass(frozen=True, slots=True)
class Outdated:
    """Metrics of old releases of a mesh, which its dialect does not read.

    Parameters
    ----------
    metrics : tuple of str
    current : tuple of str and Matcher
        The counter that newer releases export, and what only its newer series fulfil.
    what : str
        The releases, with ``{}`` for the metrics that are there.
    upgrade : str
        What to do.
    """

    metrics: tuple[str, ...]
    current: tuple[str, Matcher]
    what: str
    upgrade: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One mesh's own names. Every selector and expression about its requests is made here.

    Parameters
    ----------
    name : str
        The mesh's name, for people.
    looks_for : str
        What the store must hold, and how to switch it on, for people.
    counters : tuple of str
        The counters that show that the mesh is there.
    labels : tuple of str
        Labels of few values by which detection tells them from counters of the same name; one of them on a counter
        that the profile names shows the mesh as well.
    adapt : function of Census to (Dialect or None), optional
        The dialect as a store needs it, where one of `counters` does not suffice; None: the mesh is not there.
    stand_in : int
        Above 0: it is read only where nothing of a lower number is there, because it counts the same requests again.
    outdated : Outdated, optional
    views : mapping of Reporter to View
        Requests and durations, by the side whose proxy reports them.
    signals : mapping of str to tuple of Signal
        What else is exported; the names are those of `SIGNALS`.
    label_pattern : str
        Regular expression of the labels that the mesh sets; the others describe the scraped target.
    recorded_selectors : tuple of tuple of Matcher
        All that the notebooks read of this mesh.
    remedies : mapping of str to str
        What to do where something is missing: `REMEDIES`, and names of signals.
    proxy_containers : tuple of str
        Names of the containers that sidecars run in.
    renew_after : float
        Share of its life after which the mesh renews a certificate.
    root_namespace : str
        Where policies hold for the whole mesh; empty: there is no such place.
    options : MeshOptions
    instead : mapping of str to str
        Dimensions that this store gives by another label than the mesh's usual one, and that label.
    """

    name: str
    looks_for: str
    counters: tuple[str, ...]
    views: Mapping[Reporter, View]
    label_pattern: str
    recorded_selectors: tuple[tuple[Matcher, ...], ...]
    remedies: Mapping[str, str]
    labels: tuple[str, ...] = ()
    adapt: Callable[[Census], Dialect | None] | None = None
    stand_in: int = 0
    outdated: Outdated | None = None
    signals: Signals = field(default_factory=dict)
    proxy_containers: tuple[str, ...] = ()
    renew_after: float = 0.5
    root_namespace: str = ""
    options: MeshOptions = PLAIN
    instead: Mapping[str, str] = field(default_factory=dict)

    def detect(self, census: Census) -> Dialect | None:
        """The dialect as a store has it; None: the mesh is not there."""
        if self.adapt is not None:
            adapted = self.adapt(census)
            return adapted and adapted.with_options(census.options)
        named = any(census.values(census.requests(""), label) for label in self.labels)
        return self.with_options(census.options) if census.names & {*self.counters} or named or census.forced else None

    def remedy(self, what: str) -> str:
        """What to do where something is missing: `REMEDIES`, or the name of a signal."""
        return self.remedies.get(what, f"{self.name} does not export it")

    @property
    def recorded(self) -> tuple[str, ...]:
        """Selectors of all that the notebooks read of this mesh."""
        forced, named = self.options.forced, ("up", *self.options.metrics.values())
        own = (selector("", *matchers, forced=forced) for matchers in self.recorded_selectors)
        return (*own, *(selector(metric, forced=forced) for metric in named))

    def owns(self, label: str) -> bool:
        """Whether the mesh sets a label; the others describe the scraped target."""
        return re.fullmatch(self.label_pattern, label) is not None or label in self.options.labels.values()

    def families(self, reporter: Reporter) -> tuple[Family, ...]:
        """The metrics of one side; empty where the mesh does not report it."""
        return self.views[reporter].families if reporter in self.views else ()

    @property
    def request_selectors(self) -> tuple[str, ...]:
        """Selectors of all request counters, each once."""
        every = [self.counts(family, ()) for reporter in Reporter for family in self.families(reporter)]
        return tuple(dict.fromkeys(every))

    def counts(self, family: Family, where: Where) -> str:
        """Selector of a family's request counter."""
        matchers = (*family.matchers, *family.outcomes, *family.asked(where))
        return selector(family.requests, *matchers, forced=self.options.forced)

    def buckets(self, family: Family, where: Where) -> str:
        """Selector of a family's duration histogram's buckets.

        Raises
        ------
        ContractError
            The family has no durations.
        """
        return self._durations(family, where, "_bucket")

    def sums(self, family: Family, where: Where) -> str:
        """Selector of the sum of a family's durations, in the unit of its buckets' edges.

        Raises
        ------
        ContractError
            The family has no durations.
        """
        return self._durations(family, where, "_sum")

    def _durations(self, family: Family, where: Where, suffix: str) -> str:
        if not family.durations:
            raise ContractError(f"{self.name} has no durations of {family.requests}")
        metric = family.durations if suffix == "_bucket" else f"{family.durations.removesuffix('_bucket')}{suffix}"
        return selector(metric, *family.matchers, *family.asked(where), forced=self.options.forced)

    def increase(
        self, family: Family, where: Where, by: Sequence[str], range_ms: int, without: Sequence[str] = ()
    ) -> str:
        """Expression: requests over a range, summed by the labels behind dimensions.

        Counters that are the same `without` some labels (and without that of replicas) are taken once.
        """
        return self._sum("increase", family, where, by, range_ms, without)

    def rate(self, family: Family, where: Where, by: Sequence[str], range_ms: int, without: Sequence[str] = ()) -> str:
        """Expression: requests a second, as `increase`."""
        return self._sum("rate", family, where, by, range_ms, without)

    def seen(self, family: Family, by: Sequence[str], range_ms: int) -> str:
        """Expression: how many counters there were in a range, by the labels behind dimensions."""
        labels = ", ".join(family.labels(by))
        return f"count by ({labels}) (last_over_time({self.counts(family, ())}[{format_duration(range_ms)}]))"

    def _sum(
        self, function: str, family: Family, where: Where, by: Sequence[str], range_ms: int, without: Sequence[str]
    ) -> str:
        dimensions = (*by, *(c.dimension for c in where if isinstance(c, Condition)))
        inner = f"{function}({self.counts(family, where)}[{format_duration(range_ms)}])"
        once = [*dict.fromkeys(filter(None, (self.options.replica_label, *without)))]
        if once:
            inner = f"max without ({', '.join(once)}) ({inner})"
        return f"sum by ({', '.join(family.labels(dimensions))}) ({inner})"

    def with_options(self, options: MeshOptions) -> Dialect:
        """The same dialect under the names that a profile gives it.

        Raises
        ------
        ParameterError
            A metric or a dimension that does not exist, or a label name that is not valid.
        """
        for kind, given, known in (("metric", options.metrics, _METRICS), ("dimension", options.labels, DIMENSIONS)):
            for name in given:
                if name not in known:
                    raise ParameterError(
                        f"{plain(name)!r} is not a {kind} that can have another name", suggest(name, known)
                    )
        for label in (options.replica_label, *options.labels.values()):
            # These names stand in "by" and "without", where nothing can be quoted.
            if label:
                equal(label, "")
        views = {reporter: view.renamed(options) for reporter, view in self.views.items()}
        return dataclasses.replace(self, views=views, options=options)

    def fitted(self, carried: Callable[[Family], Set[str]]) -> Dialect:
        """The same dialect as a store needs it that has dropped labels.

        Parameters
        ----------
        carried : function of Family to set of str
            The labels that any series of a request counter has, at least those that are asked for.
        """
        views, instead = {}, dict(self.instead)
        for reporter, view in self.views.items():
            made = [family.fitted(carried(family)) if family.alternatives else (family, {}) for family in view.families]
            views[reporter] = dataclasses.replace(view, families=tuple(family for family, _ in made))
            for _, read in made:
                instead |= read
        if not instead:
            return self
        # What a profile names stands above what was found.
        views = {reporter: view.renamed(self.options) for reporter, view in views.items()}
        return dataclasses.replace(
            self, views=views, instead={n: label for n, label in instead.items() if n not in self.options.labels}
        )

    @property
    def every_signal(self) -> tuple[Signal, ...]:
        """All signals, whatever their names."""
        return tuple(signal for signals in self.signals.values() for signal in signals)


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
    names = ("destination_cluster", "destination_namespace", "destination_service", "destination_version", "code")
    one = (Condition("destination_service", (service,)), Condition("destination_namespace", (namespace,)))
    queries: list[str] = []
    for dialect in dialects:
        queries += dialect.request_selectors
        for family in (f for reporter in Reporter for f in dialect.families(reporter)):
            queries.append(dialect.seen(family, names, range_ms))
            for where in ((), one):
                queries.append(dialect.counts(family, where))
                queries += [dialect.buckets(family, where), dialect.sums(family, where)] if family.durations else []
                for count in range(1, len(names) + 1):
                    queries += [f(family, where, names[:count], range_ms) for f in (dialect.increase, dialect.rate)]
            queries.append(dialect.counts(family, [Condition("code", ("500", "503", "5.."))]))
    return list(dict.fromkeys(queries))
