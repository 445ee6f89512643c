"""One method for each thing that one asks of telemetry; tidy frames in one vocabulary come out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.dialects import detection, identity, replicas, reporters
from meshlab.dialects.base import ABSENT, PLAIN, MeshOptions, Reporter
from meshlab.dialects.columns import Condition
from meshlab.dialects.dialect import Dialect, Family, View
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.errors import ParameterError
from meshlab.escape import plain
from meshlab.selector import Matcher, selector
from meshlab.series import Query, SeriesSet
from meshlab.stats.counters import increments
from meshlab.subject import IDENTITY, Subject
from meshlab.window import Window

__all__ = ["Answer", "Mesh", "unknown"]

_DEFAULT_SPAN: Final = "-1h"
_GLANCE_MS: Final = 300_000
"""How much of a window is looked at for replicas, before anything is summed by the engine."""

_RECENT_MS: Final = 3_600_000
"""How far back a server is asked for names that are not known beforehand."""

Where = Sequence[Condition | Matcher]


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
class _Part:
    """One counter of one side of one mesh."""

    dialect: Dialect
    view: View
    family: Family


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
    _behind: dict[tuple[str, Window], dict[tuple[str, str], str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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
            No metrics of a known mesh, or only those of Istio 1.4 and older.
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
        return self._totals(window, identity.WORDS, (), beside="destination_host")

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
            self._refuse_replicas(part, window, where)
            words = _needed(part, by, where)
            promql = part.dialect.rate(part.family, where, words, max(window.step_ms, 60_000))
            answer = self.engine.query_range(promql, window)
            frames.append(self._believed(part, answer, words, where, window))
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
        for part in self._every_part():
            labels = self.engine.series(part.dialect.counts(part.family, self._asked(part, wide, where)), wide).labels
            named = self._named(part, labels, _unique(*words, *IDENTITY), wide)
            frames.append(named.loc[subject.mask(named), list(words)])
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
        found = identity.subjects(self._identities([service], window), service, namespace)
        if len(found) > 1:
            raise ParameterError(
                f"service {plain(service)!r} is ambiguous in {plain(self.source)}: "
                f"{', '.join(plain(s) for s in found[:8])}",
                "give the namespace, or the host",
            )
        if not found:
            raise self._never_seen(service, window, namespace)
        return found[0]

    def kin(self, subject: Subject, names: Sequence[str], window: Window) -> Subject:
        """A subject together with the services of its namespace that bear one of some names, or whose workload does.

        Parameters
        ----------
        subject : Subject
        names : sequence of str
            Such as ``catalog-primary``.
        window : Window
        """
        if not names:
            return subject
        known = self._identities(names, window, hosts=False)
        near = known[
            (known["destination_cluster"] == subject.cluster) & (known["destination_namespace"] == subject.namespace)
        ]
        mine = near[near["destination_service"].isin(names) | near["destination_workload"].isin(names)]
        spans = tuple(sorted({*subject.services, *mine["destination_service"]} - {""}))
        return replace(subject, spans=() if spans == (subject.service,) else spans)

    def _never_seen(self, service: str, window: Window, namespace: str) -> ParameterError:
        known = self._identities([], window)
        if namespace and namespace not in set(known["destination_namespace"]):
            spaces = sorted(set(known["destination_namespace"]) - ABSENT)
            return unknown("namespace", namespace, spaces, self.source)
        if any(service in identity.forms(host) for host in known["destination_host"]):
            return ParameterError(
                f"service {plain(service)!r} is called in {plain(self.source)}, but no workload behind it is known",
                "it is outside of the mesh, or none of its requests was answered; name a service inside",
            )
        if self._only_connections(service, window):
            return ParameterError(
                f"service {plain(service)!r} is seen in {plain(self.source)} by its TCP connections only",
                "ztunnel counts no requests: give its namespace a waypoint",
            )
        return unknown("service", service, sorted(set(known["destination_service"]) - ABSENT), self.source)

    def _only_connections(self, service: str, window: Window) -> bool:
        wide = self._wide(window)
        for part in self._every_part():
            if not part.dialect.connections:
                continue
            for matchers in identity.lookups(part.family, [service]):
                asked = selector(part.dialect.connections, *matchers, forced=part.dialect.options.forced)
                labels = self.engine.series(asked, wide).labels
                if identity.subjects(part.family.named(labels, identity.WORDS), service):
                    return True
        return False

    def _wide(self, window: Window) -> Window:
        """Where a name counts as seen: a recording's whole span, or the day before a live window's end."""
        first, last = self.engine.span() or (window.end - timedelta(days=1), window.end)
        return Window.aligned(
            min(first, window.start) - timedelta(minutes=1), max(last, window.end) + timedelta(minutes=1), 60_000
        )

    def _identities(self, names: Sequence[str], window: Window, *, hosts: bool = True) -> pd.DataFrame:
        """Who bears one of some names, one row a combination of `identity.WORDS`; everybody where no name is given."""
        wide = self._wide(window)
        frames = [pd.DataFrame(columns=list(identity.WORDS), dtype=str)]
        for part in self._every_part():
            if names:
                asked: list[Where] = list(identity.lookups(part.family, names, hosts=hosts))
                if part.view.service_from_source:
                    # The callers' side may know the service of workloads that this side knows by their own names.
                    asked.append(self._asked(part, wide, [Condition("destination_service", tuple(names))]))
                tables = [self.engine.series(part.dialect.counts(part.family, where), wide).labels for where in asked]
                labels = pd.concat(tables, ignore_index=True).fillna("") if tables else pd.DataFrame()
            else:
                labels = self._everybody(part, part.family, identity.WORDS, wide)
            frames.append(self._named(part, labels, identity.WORDS, wide).drop_duplicates())
        return pd.concat(frames).drop_duplicates().reset_index(drop=True)

    def _parts(self, reporter: Reporter) -> Iterator[_Part]:
        for dialect in self.dialects:
            for family in dialect.families(reporter):
                yield _Part(dialect, dialect.views[reporter], family)

    def _every_part(self) -> Iterator[_Part]:
        for reporter in Reporter:
            yield from self._parts(reporter)

    def _services(self, part: _Part, window: Window) -> dict[tuple[str, str], str]:
        """The service of each workload, for a side that knows workloads only."""
        key = (part.dialect.name, window)
        if key not in self._behind:
            words = ("destination_namespace", "destination_workload", "destination_service")
            frames = [pd.DataFrame(columns=list(words), dtype=str)]
            for family in part.dialect.families(Reporter.SOURCE):
                frames.append(family.named(self._everybody(part, family, words, window), words))
            self._behind[key] = identity.services_of(pd.concat(frames))
        return self._behind[key]

    def _everybody(self, part: _Part, family: Family, words: Sequence[str], window: Window) -> pd.DataFrame:
        """Labels of all counters: a server groups them, because a big store's series are too many to look through."""
        if not self.engine.is_live:
            return self.engine.series(part.dialect.counts(family, ()), window).labels
        asked = part.dialect.seen(family, words, min(window.end_ms - window.start_ms, _RECENT_MS))
        return self.engine.query(asked, window.end).labels

    def _named(self, part: _Part, labels: pd.DataFrame, words: Sequence[str], window: Window) -> pd.DataFrame:
        """The columns of the vocabulary for a label table."""
        if not part.view.service_from_source or "destination_service" not in words:
            return part.family.named(labels, words)
        more = part.family.named(labels, _unique(*words, "destination_namespace", "destination_workload"))
        return more.assign(destination_service=identity.with_services(more, self._services(part, window)))[list(words)]

    def _asked(self, part: _Part, window: Window, where: Where) -> Where:
        """Conditions as this side can be asked: for services where it knows workloads, for their workloads."""
        if not part.view.service_from_source:
            return where
        asked: list[Condition | Matcher] = []
        for condition in where:
            if isinstance(condition, Condition) and condition.word == "destination_service":
                behind = {w for (_, w), s in self._services(part, window).items() if s in condition.values}
                condition = Condition("destination_workload", tuple(sorted({*behind, *condition.values})))
            asked.append(condition)
        return asked

    def _believed(
        self, part: _Part, answer: SeriesSet, words: Sequence[str], where: Where, window: Window
    ) -> pd.DataFrame:
        """The tidy frame of an aggregated answer: filtered, and no request counted twice."""
        named = self._named(part, answer.labels, words, window)
        keep = _fulfilled(named, where)
        if part.view.preferred:
            total = pd.Series(np.bincount(answer.sid, np.nan_to_num(answer.value), len(answer.labels)), named.index)
            keep &= reporters.believed(named, total, part.view)
        rows = keep.to_numpy(np.bool_)[answer.sid]
        frame = named.iloc[answer.sid[rows]].reset_index(drop=True)
        frame["time"] = pd.DatetimeIndex(answer.time[rows].astype("datetime64[ms]")).tz_localize("UTC")
        frame["value"] = answer.value[rows]
        return frame

    def _totals(self, window: Window, words: Sequence[str], where: Where, *, beside: str = "") -> Answer:
        """Requests over the window; of the two sides the one with more counts. `beside` is told, and groups nothing."""
        frames, queries = [], []
        for reporter in Reporter:
            mine = []
            for part in self._parts(reporter):
                self._refuse_replicas(part, window, where)
                needed = _needed(part, words, where)
                asked = self._asked(part, window, where)
                promql = part.dialect.increase(part.family, asked, needed, window.end_ms - window.start_ms)
                answer = self.engine.query(promql, window.end)
                mine.append(self._believed(part, answer, needed, where, window))
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

    def _refuse_replicas(self, part: _Part, window: Window, where: Where) -> None:
        """Look at a few minutes of raw counters before the engine sums them."""
        if part.dialect.options.replica_label:
            return
        last = Window.aligned(window.end - timedelta(milliseconds=_GLANCE_MS), window.end, 1000)
        self._single(
            part, self.engine.samples(part.dialect.counts(part.family, self._asked(part, window, where)), last)
        )

    def _single(self, part: _Part, raw: SeriesSet) -> SeriesSet:
        """Raw counters with one replica of each; see `replicas`."""
        options = part.dialect.options
        if options.replica_label:
            return replicas.without_replicas(raw, options.replica_label, part.dialect.owns)
        if label := replicas.replica_label(raw, part.dialect.owns):
            raise ParameterError(
                f"series of {plain(self.source)} are there more than once, apart by the label {label}: each replica of "
                "a Prometheus would count the same requests again",
                f'write replica_label = "{label}" into the profile in meshlab.toml',
            )
        return raw

    def _blocks(
        self,
        window: Window,
        by: Sequence[str],
        where: Where,
        reporter: Reporter,
        block_ms: int,
        extra: str | None = None,
    ) -> Answer:
        # The last sample before the window is the base of the first increment.
        lead = window.with_lead(LOOKBACK_MS)
        keys = [*by, *([extra] if extra else [])]
        frames, queries = [], []
        for part in self._parts(reporter):
            if extra and not part.family.durations:
                continue
            ask = part.dialect.buckets if extra else part.dialect.counts
            raw = self.engine.samples(ask(part.family, self._asked(part, window, where)), lead)
            queries.append(raw.query)
            frames.append(self._counted(part, self._single(part, raw), window, by, where, block_ms, extra))
        frame = _together(frames, [*keys, "block"], "count").astype({"block": np.int64, "count": np.int64})
        ends = (window.start_ms + (frame["block"].to_numpy(np.int64) + 1) * block_ms).astype("datetime64[ms]")
        frame.insert(len(keys) + 1, "time", pd.DatetimeIndex(ends).tz_localize("UTC"))
        return Answer(frame, _joined(queries, lead))

    def _counted(
        self,
        part: _Part,
        raw: SeriesSet,
        window: Window,
        by: Sequence[str],
        where: Where,
        block_ms: int,
        extra: str | None,
    ) -> pd.DataFrame:
        """Increments of one family's counters: the words, block, and count."""
        sid, time_ms, count = increments(raw.sid, raw.time.astype(np.int64), raw.value, _targets(part, raw))
        block = (time_ms - window.start_ms - 1) // block_ms
        keep = (time_ms > window.start_ms) & (block < (window.end_ms - window.start_ms) // block_ms)
        groups = self._named(part, raw.labels, _needed(part, by, where), window)
        counts = _fulfilled(groups, where)
        if part.view.preferred:
            total = np.bincount(sid[keep], count[keep], len(raw))
            counts &= reporters.believed(groups, pd.Series(total, groups.index), part.view)
        keep &= counts.to_numpy(np.bool_)[sid]
        groups = groups[list(by)]
        if extra is not None:
            # Prometheus 2 writes le="1", Prometheus 3 le="1.0": the number is what counts.
            edges = raw.labels[extra].astype(np.float64) if len(raw) else pd.Series(dtype=np.float64)
            groups = groups.assign(**{extra: edges * part.family.unit_ms})
        frame = groups.iloc[sid[keep]].reset_index(drop=True)
        frame["block"] = block[keep]
        frame["count"] = count[keep]
        return frame


def unknown(kind: str, name: str, known: Sequence[str], source: str) -> ParameterError:
    """The error for a name that the store has never seen, with the nearest ones that it has."""
    near = difflib.get_close_matches(name, known, 3)
    shown = ", ".join(plain(n) for n in (near or list(known)[:8])) or "none at all"
    return ParameterError(
        f"{kind} {plain(name)!r} was never seen in {plain(source)}",
        f"did you mean {shown}?" if near else f"it has: {shown}",
    )


def _unique(*words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _needed(part: _Part, by: Sequence[str], where: Where) -> tuple[str, ...]:
    """All words without which an answer can be neither filtered nor counted once."""
    asked = (w.word for w in where if isinstance(w, Condition))
    needed = _unique(*by, *asked, *reporters.words(part.view))
    if part.view.service_from_source and "destination_service" in needed:
        needed = _unique(*needed, "destination_namespace", "destination_workload")
    return needed


def _fulfilled(frame: pd.DataFrame, where: Where) -> pd.Series[bool]:
    keep = pd.Series(True, frame.index)
    for condition in where:
        if isinstance(condition, Condition):
            keep &= condition.mask(frame)
    return keep


def _together(frames: Sequence[pd.DataFrame], keys: list[str], value: str) -> pd.DataFrame:
    """Frames of several counters as one: what has the same keys is added up."""
    held = [frame[[*keys, value]] for frame in frames if len(frame)]
    if not held:
        return pd.DataFrame({**{key: pd.Series(dtype=str) for key in keys}, value: pd.Series(dtype=np.float64)})
    return pd.concat(held, ignore_index=True).groupby(keys, sort=True)[value].sum().reset_index()


def _targets(part: _Part, raw: SeriesSet) -> NDArray[np.int64]:
    """Number of the scraped target of each series; shape (series,)."""
    labels = [c for c in raw.labels.columns if not part.dialect.owns(str(c))]
    if not labels or not len(raw):
        return np.zeros(len(raw), np.int64)
    return raw.labels.groupby(labels, sort=False).ngroup().to_numpy().astype(np.int64)


def _joined(queries: Sequence[Query], window: Window) -> Query:
    """Several queries as one; none at all where no mesh reports this side."""
    if not queries:
        return Query(promql="", engine="", window=window)
    if len(queries) == 1:
        return queries[0]
    return replace(
        queries[0],
        promql="\n".join(query.promql for query in queries),
        warnings=tuple(dict.fromkeys(text for query in queries for text in query.warnings)),
        infos=tuple(dict.fromkeys(text for query in queries for text in query.infos)),
        points_expected=sum(query.points_expected for query in queries),
        points_got=sum(query.points_got for query in queries),
        failed=tuple(text for query in queries for text in query.failed),
    )
