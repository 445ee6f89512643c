"""A store as it was opened: its engine, the meshes in it, and what was found out about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry import queries, renaming, retries
from meshlab.telemetry.dialects import detection
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.probe import UNKNOWN, Probe, detected
from meshlab.telemetry.scrapes import Scrapes

__all__ = ["Opened"]

_AFTER_MS: Final = 3_600_000
"""So long after it was looked at, a live store still has the meshes that it had."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A store, the meshes in it, and what was found out about it.

    Parameters
    ----------
    engine : Engine
    dialects : tuple of Dialect
        Know the meshes' metric and label names.
    source : str
        What the user called it: a URL, a profile, a recording's name.
    probe : Probe
        What was found out about the store.
    options : MeshOptions
        What a profile says about the mesh.

    Attributes
    ----------
    views : tuple of CounterView
        The request counters, side by side.
    scrapes : Scrapes
        Since when targets are scraped.
    """

    engine: Engine
    dialects: tuple[Dialect, ...]
    source: str
    probe: Probe = UNKNOWN
    options: MeshOptions = PLAIN
    views: tuple[CounterView, ...] = field(init=False, repr=False, compare=False)
    scrapes: Scrapes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        options = self.dialects[0].options if self.dialects else self.options
        scrapes = Scrapes(self.engine, options.forced, options.replica_label)
        views = (
            CounterView(self.engine, dialect, reporter, family, self.source, scrapes)
            for reporter in Reporter
            for dialect in self.dialects
            for family in dialect.families(reporter)
        )
        object.__setattr__(self, "views", tuple(views))
        object.__setattr__(self, "scrapes", scrapes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name} in {self.engine.description}>"

    @classmethod
    def detect(
        cls,
        engine: Engine,
        source: str,
        *,
        options: MeshOptions = PLAIN,
        span: Span | None = None,
        required: bool = True,
    ) -> Self:
        """Find out what a store is and which meshes its metrics speak of.

        Parameters
        ----------
        engine : Engine
        source : str
            What the user called it.
        options : MeshOptions
            What a profile says about the mesh.
        span : Span, optional
            What is looked at; all of a recording, or a live engine's last hour.
        required : bool
            Whether a store without a mesh is refused; it still answers PromQL.

        Raises
        ------
        ParameterError
            There is no mesh, or only one of an outdated release.
        """
        engine, dialects, found = detected(engine, options, span)
        if not dialects and required:
            raise detection.none_found(source, found.span, options, detection.unread(engine, found.span, options, ()))
        return cls(engine, dialects, source, found, options)

    def at(self, span: Span) -> Self:
        """The meshes that there were in a span: on a live store, what was there an hour ago may be gone.

        Raises
        ------
        ParameterError
            There was none.
        """
        known = self.probe.span
        looked = not self.engine.is_live or known.start_ms <= span.end_ms <= known.end_ms + _AFTER_MS
        if self.dialects and (looked or self.probe is UNKNOWN):
            return self
        return type(self).detect(renaming.store_of(self.engine), self.source, options=self.options, span=span)

    @property
    def dialect(self) -> Dialect:
        """The first of the meshes.

        Raises
        ------
        ParameterError
            There is none.
        """
        if not self.dialects:
            raise detection.none_found(self.source, self.probe.span, self.options)
        return self.dialects[0]

    @property
    def name(self) -> str:
        """The meshes' names, for people."""
        return " and ".join(dialect.name for dialect in self.dialects)

    def remedy(self, what: str) -> str:
        """What to do where something is missing (`dialects.dialect.REMEDIES`, or a signal), for every mesh."""
        native = queries.native_histograms(self.views, self.probe.span) if what == "latency" else {}
        texts = {native.get(d.name) or d.remedy(what): d.name for d in self.dialects}
        return "; ".join(text if len(texts) == 1 else f"{name}: {text}" for text, name in texts.items())

    @property
    def recorded(self) -> tuple[str, ...]:
        """Selectors of all that the notebooks read."""
        return tuple(dict.fromkeys(s for dialect in self.dialects for s in dialect.recorded))

    @property
    def counts_attempts(self) -> bool:
        """Whether the source's request counters count every attempt, and not every request once."""
        return retries.counts_attempts(self.views)
