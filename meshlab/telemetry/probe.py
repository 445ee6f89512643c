"""What a store is, looked at before anything is asked of it: what is found sets windows, blocks and identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.selector import equal, one_of, selector
from meshlab.core.series import SeriesSet
from meshlab.core.times import format_duration, from_ms, to_ms
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry import renaming
from meshlab.telemetry.clusters import CLUSTERS, ClusterLabel, cluster_label
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.detection import detect
from meshlab.telemetry.dialects.dialect import Dialect, Family
from meshlab.telemetry.dialects.registry import installed

__all__ = ["UNKNOWN", "Probe", "detected", "last_seen", "probe"]

_SAMPLE: Final = 40
"""Series that are looked at; whatever is the same in a whole store is the same in these."""
_FOLLOWED: Final = 2
_GLANCE_MS: Final = 3_600_000
_LATE_SCRAPES: Final = 3
_LATE_MS: Final = 60_000
_SCRAPES_A_RANGE: Final = 4
_BEFORE: Final = timedelta(hours=1)
_MARGIN: Final = timedelta(minutes=1)
_MONTH: Final = "30d"
_NO_SPAN: Final = Span(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found out about a store.

    Parameters
    ----------
    store : str
        Kind, version and address or name.
    span : Span
        What was looked at: its end, and the hour before.
    scrape_ms : int
        The middle distance of two scrapes, milliseconds; 0 where it is not known.
    longest_gap_ms : int
        The longest distance, milliseconds.
    lag_ms : int
        By how much the newest sample is older than the store's clock, where that is more than scrapes explain.
    clusters : ClusterLabel or None
        The label that tells clusters apart which the mesh itself calls by one name.
    doubts : tuple of str
        Why the store's answers may not be whole.
    """

    store: str = ""
    span: Span = _NO_SPAN
    scrape_ms: int = 0
    longest_gap_ms: int = 0
    lag_ms: int = 0
    clusters: ClusterLabel | None = None
    doubts: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """What was found, for people: a few words by name."""
        found = {}
        if self.scrape_ms:
            gap = f", longest gap {_words(self.longest_gap_ms)}" if self.longest_gap_ms > 2 * self.scrape_ms else ""
            found["Scrape interval"] = f"{_words(self.scrape_ms)}{gap}"
        if self.lag_ms:
            found["Lag"] = f"{_words(self.lag_ms)}: windows end at the newest sample"
        if self.clusters is not None:
            found["Clusters"] = str(self.clusters)
        return found

    @property
    def clusters_labels(self) -> dict[str, str]:
        """The label that tells clusters apart, by the dimensions that it stands for; empty where none is needed."""
        return dict.fromkeys(CLUSTERS, self.clusters.label) if self.clusters else {}

    def adapted(self, dialect: Dialect) -> Dialect:
        """A dialect as this store needs it: clusters are named by the label that distinguishes them here."""
        if self.clusters is None:
            return dialect
        labels = {**self.clusters_labels, **dialect.options.labels}
        return dialect.with_options(dataclasses.replace(dialect.options, labels=labels))

    @property
    def range_text(self) -> str:
        """The shortest range that a rate should have: it stands when one scrape is late and one is lost."""
        return _words(_SCRAPES_A_RANGE * self.scrape_ms) if self.scrape_ms else ""


UNKNOWN: Final = Probe()
"""Nobody looked."""


def detected(
    engine: Engine, options: MeshOptions, span: Span | None = None
) -> tuple[Engine, tuple[Dialect, ...], Probe]:
    """The meshes of a store, as it needs them, and what was found out about it; see `Mesh.detect`.

    The engine gives labels as they were before a scrape renamed them.
    """
    now_ms = 0
    if span is None:
        first, last = engine.span() or (engine.now() - _BEFORE, engine.now())
        now_ms = to_ms(last) if engine.is_live else 0
        span = Span.between(first - _MARGIN, last + _MARGIN)
    dialects = detect(engine, span, options)
    engine = renaming.renamed(engine, span, dialects)
    dialects = tuple(renaming.in_original_words(engine, dialect) for dialect in dialects)
    found = probe(engine, dialects, span, now_ms=now_ms)
    return engine, tuple(found.adapted(dialect) for dialect in dialects), found


def last_seen(engine: Engine, options: MeshOptions = PLAIN) -> datetime | None:
    """When a live store that has no mesh now had one last, within a month; two small queries.

    Returns
    -------
    datetime or None
        In UTC; None where there was none.
    """
    names = sorted({name for dialect in installed().values() for name in dialect.counters})
    counters = selector("", one_of("__name__", names), forced=options.forced)
    now = engine.now()
    found = engine.query(
        f"topk(1, max by (__name__, job, instance) (last_over_time({counters}[{_MONTH}])))", now
    ).labels
    if not len(found):
        return None
    row = found.iloc[0].to_dict()
    one = selector(str(row.pop("__name__")), *(equal(str(n), str(v)) for n, v in row.items()), forced=options.forced)
    # Steps within the look-back: no sample stays unseen.
    times = engine.query(f"max(max_over_time(timestamp({one})[{_MONTH}:4m]))", now)
    return from_ms(int(1_000 * times.value[0])) if len(times) else None


def probe(engine: Engine, dialects: Sequence[Dialect], span: Span, *, now_ms: int = 0) -> Probe:
    """Look at a few of the counters that were scraped last: at most six small queries.

    Parameters
    ----------
    engine : Engine
    dialects : sequence of Dialect
        Those that were found in it.
    span : Span
    now_ms : int
        The store's clock, where the span ends there: how far it is behind is looked at, too.
    """
    for dialect, family, newest in _newest(engine, dialects, span):
        if not len(newest):
            continue
        followed = [_followed(engine, dialect, family, row, span) for row in _of_several_jobs(newest.labels)]
        times = [raw.time[raw.sid == 0].astype(np.int64) for raw in followed]
        apart = np.concatenate([np.diff(each) for each in times])
        scrape_ms = int(np.median(apart)) if len(apart) else 0
        last = max((int(each[-1]) for each in times if len(each)), default=0)
        lag_ms = now_ms - last if now_ms and last else 0
        return Probe(
            store=engine.description,
            span=span,
            scrape_ms=scrape_ms,
            longest_gap_ms=int(apart.max()) if len(apart) else 0,
            lag_ms=lag_ms if lag_ms > _LATE_SCRAPES * scrape_ms + _LATE_MS else 0,
            clusters=cluster_label(engine, dialect, family, newest.labels, span),
            doubts=_doubts(engine, [newest, *followed]),
        )
    return Probe(store=engine.description, span=span, doubts=_doubts(engine, ()))


def _newest(engine: Engine, dialects: Sequence[Dialect], span: Span) -> Iterator[tuple[Dialect, Family, SeriesSet]]:
    """Some of the request counters that were scraped last, by mesh and family."""
    length = format_duration(min(span.duration_ms, _GLANCE_MS))
    counters = {
        dialect.counts(family, ()): (dialect, family)
        for dialect in dialects
        for reporter in Reporter
        for family in dialect.families(reporter)
    }
    for inner in ("timestamp({})", f"last_over_time({{}}[{length}])"):
        for selected, (dialect, family) in counters.items():
            yield dialect, family, engine.query(f"topk({_SAMPLE}, {inner.format(selected)})", span.end)


def _of_several_jobs(labels: pd.DataFrame) -> list[dict[str, str]]:
    """A few of the series, of different scrape jobs where there are some."""
    first = labels.drop_duplicates("job") if "job" in labels else labels
    rows = pd.concat([first, labels]).drop_duplicates().head(_FOLLOWED)
    return [{str(name): str(value) for name, value in row.items()} for row in rows.to_dict("records")]


def _followed(engine: Engine, dialect: Dialect, family: Family, row: dict[str, str], span: Span) -> SeriesSet:
    """The samples of one counter in the last hour of the span."""
    matchers = [equal(name, value) for name, value in row.items() if name != "__name__"]
    return engine.samples(selector(family.requests, *matchers, forced=dialect.options.forced), span.last(_GLANCE_MS))


def _doubts(engine: Engine, answers: Sequence[SeriesSet]) -> tuple[str, ...]:
    own: tuple[str, ...] = getattr(engine, "doubts", ())
    return tuple(dict.fromkeys((*own, *(doubt for answer in answers for doubt in answer.query.doubts))))


def _words(milliseconds: int) -> str:
    return format_duration(max(round(milliseconds / 1_000), 1) * 1_000)
