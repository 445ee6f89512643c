"""The metrics of one kind of request, and the two sides from which requests are reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher
from meshlab.errors import ContractError
from meshlab.telemetry.dialects.base import DIMENSIONS, MeshOptions
from meshlab.telemetry.dialects.columns import Column, Condition

__all__ = ["Family", "View", "Where"]

Where = Sequence[Condition | Matcher]
"""What is asked for: by dimensions, or by the store's own labels."""

_NOTHING: Final = Column()


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
        The dimensions that it has; the others are empty.
    matchers : tuple of Matcher
        What selects this side's series of both metrics.
    outcomes : tuple of Matcher
        What selects the counter's series in addition.
    counts_attempts : bool
        Whether each attempt is counted, and not each request once.
    alternatives : mapping of str to tuple of Column
        How else a dimension is read, in order of precedence, in a store none of whose series carries its label.
    """

    requests: str
    durations: str
    unit_ms: float
    columns: Mapping[str, Column]
    matchers: tuple[Matcher, ...] = ()
    outcomes: tuple[Matcher, ...] = ()
    counts_attempts: bool = False
    alternatives: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)

    def column(self, dimension: str) -> Column:
        """How a dimension is read here.

        Raises
        ------
        ContractError
            There is no such dimension.
        """
        if dimension not in DIMENSIONS:
            raise ContractError(f"{dimension!r} is not a dimension")
        return self.columns.get(dimension, _NOTHING)

    @property
    def hosts_tell(self) -> bool:
        """Whether a request that reached no pod, and so names no service, still tells which host was dialled."""
        host, workload, service = (self.column(f"destination_{what}") for what in ("host", "workload", "service"))
        pod = workload.labels or service.labels
        return bool(host.labels and pod) and not {*host.labels} & {*pod}

    def named(self, labels: pd.DataFrame, dimensions: Iterable[str]) -> pd.DataFrame:
        """Dimensions of a label table; a label that is absent everywhere is empty."""
        return pd.DataFrame({d: self.column(d).values(labels, d) for d in dimensions}, index=labels.index)

    def labels(self, dimensions: Iterable[str]) -> tuple[str, ...]:
        """The labels behind some dimensions, each once, in the order of the dimensions."""
        return tuple(dict.fromkeys(label for d in dimensions for label in self.column(d).reads))

    def asked(self, where: Where) -> tuple[Matcher, ...]:
        """The matchers that the engine can apply; what they let through is still to be filtered."""
        each = [
            (c,) if isinstance(c, Matcher) else self.column(c.dimension).matchers(c.values, c.dimension) for c in where
        ]
        return tuple(matcher for matchers in each for matcher in matchers)

    def _given(self, dimension: str, label: str) -> Column:
        """A dimension as a profile names its label; a label that is known for it is read as it is known."""
        known = (column for column in self.alternatives.get(dimension, ()) if column.labels == (label,))
        return next(known, Column(labels=(label,) if label else ()))

    def fitted(self, carried: Set[str]) -> tuple[Family, dict[str, str]]:
        """The same metrics as a store has them: by other labels where the usual ones are on none of its series.

        Parameters
        ----------
        carried : set of str
            The labels that any series of the request counter has.

        Returns
        -------
        Family, dict of str to str
            The dimensions that are read otherwise, and the labels behind them.
        """
        instead: dict[str, Column] = {}
        for name, others in self.alternatives.items():
            if not carried & {*self.column(name).labels}:
                fitting = next((column for column in others if carried & {*column.labels}), None)
                if fitting is not None:
                    instead[name] = fitting
        made = dataclasses.replace(self, columns={**self.columns, **instead}) if instead else self
        return made, {name: next(x for x in column.labels if x in carried) for name, column in instead.items()}

    def renamed(self, options: MeshOptions) -> Family:
        """The same metrics under the names that a profile gives them."""
        read_for = {label: name for name, column in self.columns.items() for label in column.labels}
        labels = {label: options.labels[name] for label, name in read_for.items() if name in options.labels}
        given = {name: self._given(name, label) for name, label in options.labels.items()}
        # A matcher whose label the store has lost cannot be asked for.
        matchers = [m for m in self.matchers if labels.get(m.name, m.name)]
        return dataclasses.replace(
            self,
            requests=options.metrics.get("requests", self.requests),
            durations=options.metrics.get("durations", self.durations),
            columns={**self.columns, **given},
            matchers=tuple(dataclasses.replace(m, name=labels.get(m.name, m.name)) for m in matchers),
        )


@dataclass(frozen=True, slots=True)
class View:
    """One side of the edges: where its reports are, and whose report counts when several speak of one edge.

    Parameters
    ----------
    families : tuple of Family
        Counted together. None: this mesh does not report this side.
    preferred : tuple of str
        Reporters that may speak of the same edge, in order of precedence. None: each edge is reported once.
    service_from_source : bool
        Whether this side knows workloads only, and the callers' side knows which service they belong to.
    fallback_to_workload : bool
        Whether a workload that was not called by a service stands for itself.
    """

    families: tuple[Family, ...] = ()
    preferred: tuple[str, ...] = ()
    service_from_source: bool = False
    fallback_to_workload: bool = False

    def renamed(self, options: MeshOptions) -> View:
        """The same side under the names that a profile gives it."""
        if not options.metrics and not options.labels:
            return self
        kept = self.families[:1] if "requests" in options.metrics else self.families
        return dataclasses.replace(self, families=tuple(family.renamed(options) for family in kept))
