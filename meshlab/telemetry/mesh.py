"""One method for each thing that one asks of telemetry; tidy frames in one vocabulary come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects import detection, identity, lookup, proxies, replicas
from meshlab.telemetry.dialects.base import ABSENT, PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Dialect, Where
from meshlab.telemetry.dialects.lookup import unknown
from meshlab.telemetry.dialects.part import Part

__all__ = ["Answer", "Mesh", "unknown"]

_DEFAULT_SPAN: Final = "-1h"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A frame, and the query that it came from.

    Parameters
    ----------
    frame : DataFrame
        Columns as the method says.
    query : Query
        With its completeness; several queries are joined into one.
    """

    frame: pd.DataFrame
    query: Query


@dataclass(frozen=True, slots=True)
class Mesh:
    """The service meshes, seen through the telemetry that an engine holds.

    Parameters
    ----------
    engine : Engine
        Answers PromQL.
    dialects : tuple of Dialect
        Know the meshes' metric and label names; their frames are put together.
    source : str
        What the user called it: a URL, a profile, a recording's name.
    """

    engine: Engine
    dialects: tuple[Dialect, ...]
    source: str
    _all: tuple[Part, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (
            Part(self.engine, dialect, reporter, family)
            for reporter in Reporter
            for dialect in self.dialects
            for family in dialect.families(reporter)
        )
        object.__setattr__(self, "_all", tuple(parts))

    @classmethod
    def detect(cls, engine: Engine, source: str, *, options: MeshOptions = PLAIN) -> Mesh:
        """Find out which meshes an engine's metrics speak of.

        Parameters
        ----------
        engine : Engine
        source : str
        options : MeshOptions
            What a profile says about the mesh.

        Raises
        ------
        ParameterError
            No metrics of a known mesh, or only those of outdated releases.
        """
        first, last = engine.span() or (engine.now() - timedelta(hours=1), engine.now())
        window = Window.aligned(first - timedelta(minutes=1), last + timedelta(minutes=1), 60_000)
        dialects = detection.detect(engine, window, options)
        if not dialects:
            raise detection.none_found(source, window, options.mesh)
        return cls(engine, dialects, source)

    @property
    def dialect(self) -> Dialect:
        """The first of the meshes."""
        return self.dialects[0]

    @property
    def name(self) -> str:
        """The meshes' names, for people."""
        return " and ".join(dialect.name for dialect in self.dialects)

    def remedy(self, what: str) -> str:
        """What to do where something is missing (`dialects.dialect.REMEDIES`, or a signal), for every mesh."""
        texts = {dialect.remedy(what): dialect.name for dialect in self.dialects}
        return "; ".join(text if len(texts) == 1 else f"{name}: {text}" for text, name in texts.items())

    @property
    def recorded(self) -> tuple[str, ...]:
        """Selectors of all that the notebooks read."""
        return tuple(dict.fromkeys(s for dialect in self.dialects for s in dialect.recorded))

    def window(self, start: str = "", end: str = "", step: str = "") -> Window:
        """The span to ask about, as it is typed in a notebook.

        Parameters
        ----------
        start, end, step : str
            As `Window.parse` reads them. Not given: a recording's whole span; a live engine's last hour.

        Raises
        ------
        ParameterError
            No such time, or nothing of a recording lies in the window.
        """
        for name, text in (("start", start), ("end", end), ("step", step)):
            if not isinstance(text, str):
                raise ParameterError(
                    f"{name} is the {type(text).__name__} {text!r}, and text was wanted",
                    f"with papermill write -r {name} {text}",
                )
        now, span = self.engine.now(), self.engine.span()
        if not start:
            start = span[0].isoformat() if span else _DEFAULT_SPAN
        window = Window.parse(start, end, step, now=now)
        if span and (window.end <= span[0] or window.start >= span[1]):
            raise ParameterError(
                f"the window {window} lies outside {plain(self.source)}, which holds "
                f"{span[0]:%Y-%m-%dT%H:%M:%SZ} to {span[1]:%Y-%m-%dT%H:%M:%SZ}",
                'leave start and end empty for all of it, or write times relative to its end, such as start="-5m"',
            )
        return window

    def services(self, window: Window) -> Answer:
        """The services that were called, and how often.

        Returns
        -------
        Answer
            ``destination_cluster, destination_namespace, destination_service, destination_host,
            destination_workload`` and ``requests`` (estimated by PromQL's increase), the busiest first. Both sides'
            reports are looked at, the one with more requests counts.
        """
        return self._totals(window, identity.NAMES, (), beside="destination_host")

    def totals(self, window: Window, words: Sequence[str]) -> Answer:
        """Requests over the window of all services at once.

        Returns
        -------
        Answer
            The words and ``requests`` (estimated by PromQL's increase; of the two sides the one with more counts),
            the busiest first.
        """
        return self._totals(window, words, ())

    def has_durations(self, window: Window, subject: Subject) -> bool:
        """Whether durations of a service's requests are there at the window's end; at most one small query a side."""
        where = self.where(subject)
        for reporter in reversed(Reporter):
            for part in self._parts(reporter):
                if not part.family.durations:
                    continue
                buckets = part.dialect.buckets(part.family, part.asked(where, window))
                if len(self.engine.query(f"count({buckets})", window.end)):
                    return True
        return False

    def arms(self, window: Window, subject: Subject, by: str = "destination_version") -> Answer:
        """The versions of a service, and how many requests each one had.

        Parameters
        ----------
        window : Window
        subject : Subject
        by : str
            The word of the vocabulary that tells the arms apart.

        Returns
        -------
        Answer
            The word (``destination_version``) and ``requests`` (estimated by PromQL's increase), the busiest first.
        """
        return self._totals(window, (by,), self.where(subject))

    def requests(
        self, window: Window, by: Sequence[str], where: Where = (), *, reporter: Reporter = Reporter.SOURCE
    ) -> Answer:
        """Requests a second at every point of the window's grid.

        Parameters
        ----------
        window : Window
            Its step is also the range of the rate, at least one minute: it must hold four scrapes.
        by : sequence of str
            Words of the vocabulary.
        where : sequence of Condition or Matcher

        Returns
        -------
        Answer
            The words of `by`, ``time`` (datetime64[ms, UTC]) and ``rate_per_s``.

        Raises
        ------
        ParameterError
            Every series is there twice: see `request_counts`.
        """
        frames, queries = [], []
        for part in self._parts(reporter):
            part.glance(where, window, self.source)
            words, asked = part.needed(by, where), part.asked(where, window)
            promql = part.dialect.rate(part.family, asked, words, max(window.step_ms, 60_000))
            answer = self.engine.query_range(promql, window)
            frames.append(part.summed(answer, words, where, window))
            queries.append(answer.query)
        frame = _together(frames, [*by, "time"], "value")
        return Answer(frame.rename(columns={"value": "rate_per_s"}), _joined(queries, window))

    def request_counts(
        self,
        window: Window,
        by: Sequence[str],
        where: Where = (),
        *,
        reporter: Reporter,
        block_ms: int,
    ) -> Answer:
        """Requests in blocks of time: exact integer increments of the raw counters, counter resets included.

        Parameters
        ----------
        window : Window
        by : sequence of str
            Words of the vocabulary.
        where : sequence of Condition or Matcher
        reporter : Reporter
            The side from which the requests are seen.
        block_ms : int
            Length of a block, milliseconds; blocks are counted from the window's start, and a last one that would
            reach beyond the window is left out.

        Returns
        -------
        Answer
            The words of `by`, ``block`` (0, 1, ...), ``time`` (the block's end) and ``count`` (int64). A block in
            which no counter of a group was scraped has no row: it is missing, not zero.

        Raises
        ------
        ParameterError
            Every series is there twice, from replicas of one Prometheus, and no ``replica_label`` is set.
        """
        return self._blocks(window, by, where, reporter, block_ms)

    def latency_buckets(
        self,
        window: Window,
        by: Sequence[str],
        where: Where = (),
        *,
        reporter: Reporter,
        block_ms: int,
    ) -> Answer:
        """Requests by duration, in blocks of time.

        Returns
        -------
        Answer
            As `request_counts`, with ``le`` (float64, milliseconds, the bucket's upper edge; +Inf in the last) and
            ``count`` cumulative over the edges, as the histogram has it.
        """
        return self._blocks(window, by, where, reporter, block_ms, extra="le")

    def durations(
        self,
        window: Window,
        by: Sequence[str],
        where: Where = (),
        *,
        reporter: Reporter,
        block_ms: int,
    ) -> Answer:
        """How long requests took together, in blocks of time.

        Divided by a block's length this is how many were in flight in the mean, by Little's law, without any gauge.

        Returns
        -------
        Answer
            As `request_counts`, with ``sum_ms`` (float64, milliseconds) for ``count``. A request counts where it ends.
        """
        return self._blocks(window, by, where, reporter, block_ms, timed=True)

    def restarts(self, window: Window, by: Sequence[str], where: Where = (), *, reporter: Reporter) -> Answer:
        """How often proxies were started anew within the window, as their request counters tell by falling.

        Parameters
        ----------
        window : Window
        by : sequence of str
            Words of the vocabulary; ``destination_instance`` among them tells pods apart.
        where : sequence of Condition or Matcher
        reporter : Reporter

        Returns
        -------
        Answer
            The words of `by` and ``restarts`` (int64). A pod that came back under another name is another pod.
        """
        frames, queries = [], []
        for part in self._parts(reporter):
            raw = self.engine.samples(part.dialect.counts(part.family, part.asked(where, window)), window)
            queries.append(raw.query)
            frames.append(part.restarted(part.single(raw, self.source), window, by, where))
        frame = _together(frames, list(by), "restarts").astype({"restarts": np.int64})
        return Answer(frame, _joined(queries, window))

    def retry_counts(self, window: Window, *, block_ms: int) -> Answer:
        """What the callers' proxies say of their own retries, time-outs and breakers, in blocks of time.

        Parameters
        ----------
        window : Window
        block_ms : int
            Length of a block, milliseconds.

        Returns
        -------
        Answer
            ``source_namespace, source, destination_namespace, destination_service``, ``metric`` (one of
            `dialects.proxies.COUNTERS`), ``block`` and ``value``. What is not exported has no row, what was exported
            and stood still has rows with zero.
        """
        raw = self._without_replicas(proxies.counters(self.dialect.options.forced), window)
        return Answer(proxies.risen(raw, self._workloads(window), window, block_ms), raw.query)

    def breaker_gauges(self, window: Window, *, block_ms: int) -> Answer:
        """How often and when breakers stood open and hosts were ejected, as the scrapes saw it.

        Parameters
        ----------
        window : Window
        block_ms : int
            Length of a block, milliseconds.

        Returns
        -------
        Answer
            ``source_namespace, source, destination_namespace, destination_service``, ``gauge`` (one of
            `dialects.proxies.GAUGES`), ``block`` and ``blocks`` (the first of a run of blocks in which it was above
            zero, or was not, and how many they are), ``scrapes``, ``open`` (how many of them saw it above zero) and
            ``most``.
        """
        raw = self._without_replicas(proxies.gauges(self.dialect.options.forced), window)
        return Answer(proxies.summary(raw, self._workloads(window), window, block_ms), raw.query)

    def scrape_ms(self, window: Window) -> int:
        """How often request counters are scraped, milliseconds: the median of the last five minutes; 0: not known."""
        last = Window.aligned(max(window.start, window.end - timedelta(minutes=5)), window.end, window.step_ms)
        for part in self._all:
            raw = self.engine.samples(part.dialect.counts(part.family, ()), last)
            gaps = np.diff(raw.time.astype(np.int64))[raw.sid[1:] == raw.sid[:-1]]
            if len(gaps):
                return int(np.median(gaps))
        return 0

    @property
    def counts_attempts(self) -> bool:
        """Whether the callers' request counters count every attempt, and not every request once."""
        return any(family.counts_attempts for family in self.dialect.families(Reporter.SOURCE))

    def _without_replicas(self, selected: str, window: Window) -> SeriesSet:
        raw = self.engine.samples(selected, window.with_lead(LOOKBACK_MS))
        label = self.dialect.options.replica_label
        return replicas.without_replicas(raw, label, self.dialect.owns) if label else raw

    def _workloads(self, window: Window) -> pd.Series[str]:
        """The workload for which each proxy speaks, by the callers' side."""
        found = [pd.Series(dtype=str)]
        for part in self._parts(Reporter.SOURCE):
            labels = self.engine.series(part.dialect.counts(part.family, ()), window).labels
            named = part.family.named(labels, ("source",))["source"]
            found.append(pd.Series(named.to_numpy(), index=proxies.proxies(labels).to_numpy(), dtype=str))
        known: pd.Series[str] = pd.concat(found)
        known = known[(known != "") & (known.index != "")]
        once: pd.Series[str] = known[~known.index.duplicated()]
        return once

    def where(self, subject: Subject) -> list[Condition]:
        """Conditions that select one subject, whatever the mesh."""
        values = ((subject.cluster,), (subject.namespace,), subject.services)
        return [Condition(word, value) for word, value in zip(IDENTITY, values, strict=True)]

    def versions(self, subject: Subject, window: Window) -> list[str]:
        """Versions of a service that the store has ever seen, sorted (a live store: within the day before)."""
        return sorted(set(self.seen(subject, window, ("destination_version",))["destination_version"]) - ABSENT)

    def seen(self, subject: Subject, window: Window, words: Sequence[str]) -> pd.DataFrame:
        """All combinations of some words that the store has ever seen of a service (a live store: the day before).

        Parameters
        ----------
        subject : Subject
        window : Window
        words : sequence of str
            Words of the vocabulary.

        Returns
        -------
        DataFrame
            One row a combination, the columns are the words.
        """
        where, wide = self.where(subject), self._wide(window)
        frames = [pd.DataFrame(columns=list(words), dtype=str)]
        for part in self._all:
            table = part.seen(where, tuple(dict.fromkeys((*words, *IDENTITY))), wide)
            frames.append(table.loc[subject.mask(table), list(words)])
        return pd.concat(frames).drop_duplicates().sort_values(list(words)).reset_index(drop=True)

    def find(self, service: str, window: Window, namespace: str = "") -> Subject:
        """The subject that a name stands for: a canonical service, a host or a workload.

        Parameters
        ----------
        service : str
            A host may be shortened as callers do: ``catalog.shop.svc``, ``catalog.shop``, ``catalog``.
        window : Window
        namespace : str
            Empty for any.

        Raises
        ------
        ParameterError
            The store has never seen the name (the nearest names are given), or several subjects bear it.
        """
        return lookup.find(self._all, service, namespace, self._wide(window), self.source)

    def kin(self, subject: Subject, names: Sequence[str], window: Window) -> Subject:
        """A subject together with the services of its namespace that bear one of some names, or whose workload does.

        Parameters
        ----------
        subject : Subject
        names : sequence of str
            Such as ``catalog-primary``.
        window : Window
        """
        return lookup.kin(self._all, subject, names, self._wide(window))

    def _wide(self, window: Window) -> Window:
        """Where a name counts as seen: a recording's whole span, or the day before a live window's end."""
        first, last = self.engine.span() or (window.end - timedelta(days=1), window.end)
        return Window.aligned(
            min(first, window.start) - timedelta(minutes=1), max(last, window.end) + timedelta(minutes=1), 60_000
        )

    def _parts(self, reporter: Reporter) -> Iterator[Part]:
        return (part for part in self._all if part.reporter is reporter)

    def _totals(self, window: Window, words: Sequence[str], where: Where, *, beside: str = "") -> Answer:
        """Requests over the window; of the two sides the one with more counts. `beside` is told, and groups nothing."""
        frames, queries = [], []
        for reporter in Reporter:
            mine = []
            for part in self._parts(reporter):
                part.glance(where, window, self.source)
                needed, asked = part.needed(words, where), part.asked(where, window)
                promql = part.dialect.increase(part.family, asked, needed, window.end_ms - window.start_ms)
                answer = self.engine.query(promql, window.end)
                mine.append(part.summed(answer, needed, where, window))
                queries.append(answer.query)
            frames.append(_together(mine, list(words), "value"))
        table = pd.concat([f for f in frames if len(f)] or frames[:1])
        keys = [word for word in words if word != beside]
        if beside:
            # What one side does not know is taken from the other: the busiest that is known.
            sides = [f.groupby(keys)["value"].sum() for f in frames if len(f)]
            known = table[table[beside] != ""].sort_values("value").drop_duplicates(keys, keep="last")
            totals = pd.concat(
                [s.reset_index(name="requests") for s in sides] or [table.rename(columns={"value": "requests"})]
            )
            totals = totals.groupby(keys)["requests"].max().reset_index()
            totals = totals.merge(known[[*keys, beside]], on=keys, how="left").fillna({beside: ""})
        else:
            totals = table.groupby(keys)["value"].max().reset_index(name="requests")
        totals = totals.sort_values(["requests", *keys], ascending=[False] + [True] * len(keys))
        return Answer(totals[[*words, "requests"]].reset_index(drop=True), _joined(queries, window))

    def _blocks(
        self,
        window: Window,
        by: Sequence[str],
        where: Where,
        reporter: Reporter,
        block_ms: int,
        extra: str | None = None,
        *,
        timed: bool = False,
    ) -> Answer:
        # The last sample before the window is the base of the first increment.
        lead = window.with_lead(LOOKBACK_MS)
        keys = [*by, *([extra] if extra else [])]
        frames, queries = [], []
        for part in self._parts(reporter):
            if (extra or timed) and not part.family.durations:
                continue
            ask = part.dialect.buckets if extra else part.dialect.sums if timed else part.dialect.counts
            raw = self.engine.samples(ask(part.family, part.asked(where, window)), lead)
            queries.append(raw.query)
            one = part.single(raw, self.source)
            if timed:
                frames.append(part.timed(one, window, by, where, block_ms))
            else:
                frames.append(part.counted(one, window, by, where, block_ms, extra))
        whole = [frame for frame in frames if len(frame)]
        # One part alone is sorted and summed as it comes.
        frame = whole[0] if len(whole) == 1 else _together(whole, [*keys, "block"], "count")
        frame = frame.astype({"block": np.int64, "count": np.float64 if timed else np.int64})
        ends = (window.start_ms + (frame["block"].to_numpy(np.int64) + 1) * block_ms).astype("datetime64[ms]")
        frame.insert(len(keys) + 1, "time", pd.DatetimeIndex(ends).tz_localize("UTC"))
        return Answer(frame.rename(columns={"count": "sum_ms"}) if timed else frame, _joined(queries, lead))


def _together(frames: Sequence[pd.DataFrame], keys: list[str], value: str) -> pd.DataFrame:
    """Frames of several counters as one: what has the same keys is added up."""
    held = [frame[[*keys, value]] for frame in frames if len(frame)]
    if not held:
        return pd.DataFrame({**{key: pd.Series(dtype=str) for key in keys}, value: pd.Series(dtype=np.float64)})
    return pd.concat(held, ignore_index=True).groupby(keys, sort=True)[value].sum().reset_index()


def _joined(queries: Sequence[Query], window: Window) -> Query:
    """Several queries as one that can be typed; none at all where no mesh reports this side."""
    if not queries:
        return Query(promql="", engine="", window=window)
    if len(queries) == 1:
        return queries[0]
    return replace(
        queries[0],
        promql=" or ".join(query.promql for query in queries),
        warnings=tuple(dict.fromkeys(text for query in queries for text in query.warnings)),
        infos=tuple(dict.fromkeys(text for query in queries for text in query.infos)),
        points_expected=sum(query.points_expected for query in queries),
        points_got=sum(query.points_got for query in queries),
        failed=tuple(text for query in queries for text in query.failed),
        # A link to one of several would prove a part only.
        link="",
    )
