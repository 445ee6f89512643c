"""Several stores as one engine: each is asked the same, and every series bears the name of its store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, Op
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import Engine
from meshlab.engines.chunk_join import join
from meshlab.errors import EngineError, ParameterError

__all__ = ["STORE", "SeveralEngines"]

STORE: Final = "store"
"""The label that names the store of each series."""

_MATCHER: Final = re.compile(rf'(,\s*)?\b{STORE}\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"(\s*,)?')


@dataclass(frozen=True, slots=True)
class SeveralEngines:
    """Stores that are asked together.

    What one of them fails to answer is missing, and said: the answer is that of the others, and not whole. An
    aggregation is each store's own; sums over all are made of their series.

    Parameters
    ----------
    engines : mapping of str to Engine
        By the stores' names: at least two, all live or none.

    Raises
    ------
    ParameterError
        Recordings and servers are mixed: they have no clock in common.
    """

    engines: Mapping[str, Engine]

    def __post_init__(self) -> None:
        if len({engine.is_live for engine in self.engines.values()}) > 1:
            raise ParameterError(
                f"{' and '.join(map(plain, self.engines))} are servers and recordings", "ask about them one by one"
            )

    @property
    def description(self) -> str:
        """All of them."""
        return " and ".join(f"{name} ({engine.description})" for name, engine in self.engines.items())

    @property
    def is_live(self) -> bool:
        """Whether time goes on."""
        return next(iter(self.engines.values())).is_live

    @property
    def left_open(self) -> bool:
        """Whether ranges leave out their first instant in all of them."""
        return all(engine.left_open for engine in self.engines.values())

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant in each; at the same one, where none is given."""
        moment = at or self.now()
        return self._asked(promql, lambda engine, sent: engine.query(sent, moment))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression at every point of a window's grid in each."""
        return self._asked(promql, lambda engine, sent: engine.query_range(sent, window))

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Raw samples of each."""
        return self._asked(selector, lambda engine, sent: engine.samples(sent, window))

    def series(self, selector: str, window: Span) -> SeriesSet:
        """Label tables of each."""
        return self._asked(selector, lambda engine, sent: engine.series(sent, window))

    def span(self) -> tuple[datetime, datetime] | None:
        """From the first to the last moment that any of them has."""
        spans = [span for engine in self.engines.values() if (span := engine.span()) is not None]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def now(self) -> datetime:
        """The earliest of the servers' clocks: until then all have data. The latest of the recordings' ends."""
        clocks = [engine.now() for engine in self.engines.values()]
        return min(clocks) if self.is_live else max(clocks)

    def _asked(self, promql: str, ask: Callable[[Engine, str], SeriesSet]) -> SeriesSet:
        wanted = {n: sent for n in self.engines if (sent := _for_store(promql, n)) is not None}

        def answer(name: str) -> SeriesSet | EngineError:
            try:
                return _named(ask(self.engines[name], wanted[name]), name)
            except EngineError as error:
                return error

        with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
            answers = dict(zip(wanted, pool.map(answer, wanted), strict=True))
        failed = {name: error for name, error in answers.items() if isinstance(error, EngineError)}
        parts = [part for part in answers.values() if isinstance(part, SeriesSet)]
        if failed and not parts:
            raise next(iter(failed.values()))
        if not parts:
            return SeriesSet.empty(Query(promql, self.description))
        whole = join(parts, replace(parts[0].query, promql=promql, engine=self.description, failed=(), link=""))
        missing = tuple(f"store {plain(name)} did not answer: {error.what}" for name, error in failed.items())
        return whole.with_query(replace(whole.query, failed=(*whole.query.failed, *missing)))


def _named(answer: SeriesSet, name: str) -> SeriesSet:
    """An answer whose series bear the store's name, and whose warnings say whose they are."""
    labels = answer.labels.rename(columns={STORE: f"exported_{STORE}"}).assign(**{STORE: name})
    query = answer.query
    failed = tuple(f"store {plain(name)}: {text}" for text in query.failed)
    warned = tuple(t if t.startswith("PromQL") else f"{t} (store {plain(name)})" for t in query.warnings)
    ordered = labels[sorted(map(str, labels))]
    named = replace(query, warnings=warned, failed=failed)
    return SeriesSet(ordered, answer.sid, answer.time, answer.value, named)


def _for_store(promql: str, name: str) -> str | None:
    """An expression as one store is asked it, without conditions on the store's name; None where these rule it out."""
    for found in _MATCHER.finditer(promql):
        if not Matcher(STORE, Op(found[2]), found[3].replace('\\"', '"').replace("\\\\", "\\")).holds(name):
            return None
    return _MATCHER.sub(lambda m: "," if m[1] and m[4] else "", promql)
