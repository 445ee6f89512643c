"""One method for each thing that one asks of telemetry; tidy frames in one vocabulary come out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.dialects.base import ABSENT, Dialect, Reporter
from meshlab.dialects.istio import Istio
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.errors import ParameterError
from meshlab.escape import plain
from meshlab.selector import Matcher
from meshlab.series import Query, SeriesSet
from meshlab.stats.counters import increments
from meshlab.subject import IDENTITY, Subject
from meshlab.window import Window

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
        With its completeness.
    """

    frame: pd.DataFrame
    query: Query


@dataclass(frozen=True, slots=True)
class Mesh:
    """A service mesh, seen through the telemetry that an engine holds.

    Parameters
    ----------
    engine : Engine
        Answers PromQL.
    dialect : Dialect
        Knows the mesh's metric and label names.
    source : str
        What the user called it: a URL, a profile, a recording's name.
    """

    engine: Engine
    dialect: Dialect
    source: str

    @classmethod
    def detect(cls, engine: Engine, source: str) -> Mesh:
        """Find out which mesh an engine's metrics speak of.

        Raises
        ------
        ParameterError
            No metrics of a known mesh.
        """
        first, last = engine.span() or (engine.now() - timedelta(hours=1), engine.now())
        window = Window.aligned(first - timedelta(minutes=1), last + timedelta(minutes=1), 60_000)
        dialect = Istio()
        if not len(engine.series(dialect.detect(), window)):
            raise ParameterError(
                f"{plain(source)} holds no metrics of a mesh that meshlab knows (Istio's istio_requests_total) "
                f"from {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC",
                "check that the mesh's metrics are scraped into this store",
            )
        return cls(engine, dialect, source)

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
        words = (*IDENTITY, "destination_host", "destination_workload")
        return self._totals(window, words, ())

    def arms(self, window: Window, subject: Subject) -> Answer:
        """The versions of a service, and how many requests each one had.

        Returns
        -------
        Answer
            ``destination_version`` and ``requests`` (estimated by PromQL's increase), the busiest first.
        """
        return self._totals(window, ("destination_version",), self.where(subject))

    def requests(
        self, window: Window, by: Sequence[str], where: Sequence[Matcher] = (), *, reporter: Reporter = Reporter.SOURCE
    ) -> Answer:
        """Requests a second at every point of the window's grid.

        Parameters
        ----------
        window : Window
            Its step is also the range of the rate, at least one minute: it must hold four scrapes.
        by : sequence of str
            Words of the vocabulary.

        Returns
        -------
        Answer
            The words of `by`, ``time`` (datetime64[ms, UTC]) and ``rate_per_s``.
        """
        promql = self.dialect.rate(reporter, where, by, max(window.step_ms, 60_000))
        answer = self.engine.query_range(promql, window)
        return Answer(self._named(answer.tidy(), by).rename(columns={"value": "rate_per_s"}), answer.query)

    def request_counts(
        self,
        window: Window,
        by: Sequence[str],
        where: Sequence[Matcher] = (),
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
        block_ms : int
            Length of a block, milliseconds; blocks are counted from the window's start, and a last one that would
            reach beyond the window is left out.

        Returns
        -------
        Answer
            The words of `by`, ``block`` (0, 1, ...), ``time`` (the block's end) and ``count`` (int64). A block in
            which no counter of a group was scraped has no row: it is missing, not zero.
        """
        return self._blocks(self.dialect.counts(reporter, where), window, by, block_ms)

    def latency_buckets(
        self,
        window: Window,
        by: Sequence[str],
        where: Sequence[Matcher] = (),
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
        return self._blocks(self.dialect.buckets(reporter, where), window, by, block_ms, extra="le")

    def where(self, subject: Subject) -> list[Matcher]:
        """Matchers that select one subject."""
        parts = zip(IDENTITY, (subject.cluster, subject.namespace, subject.service), strict=True)
        return [self.dialect.any_of(word, [value]) for word, value in parts]

    def versions(self, subject: Subject, window: Window) -> list[str]:
        """Versions of a service that the store has ever seen, sorted (a live store: within the day before)."""
        labels = self.engine.series(self.dialect.detect(), self._wide(window)).labels
        seen = self._named(labels, (*IDENTITY, "destination_version"))
        return sorted(set(seen.loc[subject.mask(seen), "destination_version"]) - ABSENT)

    def find(self, service: str, window: Window, namespace: str = "") -> Subject:
        """The subject that a name stands for: a canonical service, a host or a workload.

        Parameters
        ----------
        service : str
        namespace : str
            Empty for any.

        Raises
        ------
        ParameterError
            The store has never seen the name (the nearest names are given), or several subjects bear it.
        """
        seen = self.engine.series(self.dialect.detect(), self._wide(window)).labels
        known = self._identities(seen)
        hit = known[(known[["destination_service", "destination_host", "destination_workload"]] == service).any(axis=1)]
        hit = hit[hit["destination_namespace"] == namespace] if namespace else hit
        subjects = [Subject(*row) for row in sorted(set(hit[list(IDENTITY)].itertuples(index=False, name=None)))]
        if len(subjects) > 1:
            raise ParameterError(
                f"service {plain(service)!r} is ambiguous in {plain(self.source)}: "
                f"{', '.join(plain(s) for s in subjects[:8])}",
                "give the namespace, or the host",
            )
        if not subjects:
            names = sorted({n for n in known["destination_service"] if n not in ABSENT})
            if namespace and namespace not in set(known["destination_namespace"]):
                raise unknown("namespace", namespace, sorted(set(known["destination_namespace"]) - ABSENT), self.source)
            raise unknown("service", service, names, self.source)
        return subjects[0]

    def _wide(self, window: Window) -> Window:
        """Where a name counts as seen: a recording's whole span, or the day before a live window's end."""
        first, last = self.engine.span() or (window.end - timedelta(days=1), window.end)
        return Window.aligned(
            min(first, window.start) - timedelta(minutes=1), max(last, window.end) + timedelta(minutes=1), 60_000
        )

    def _identities(self, labels: pd.DataFrame) -> pd.DataFrame:
        words = (*IDENTITY, "destination_host", "destination_workload")
        return self._named(labels, words).drop_duplicates().reset_index(drop=True)

    def _named(self, frame: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
        """The columns of the vocabulary, made from the mesh's labels; a label that is absent everywhere is empty."""
        columns = {
            word: frame[label].astype(str)
            if (label := self.dialect.columns[word]) in frame
            else pd.Series("", frame.index)
            for word in words
        }
        rest = [c for c in ("le", "time", "value") if c in frame]
        return pd.DataFrame({**columns, **{c: frame[c] for c in rest}}, index=frame.index)

    def _totals(self, window: Window, words: Sequence[str], where: Sequence[Matcher]) -> Answer:
        answers = []
        for reporter in Reporter:
            promql = self.dialect.increase(reporter, where, words, window.end_ms - window.start_ms)
            answers.append(self.engine.query(promql, window.end))
        frames = [self._named(a.tidy(), words).drop(columns="time") for a in answers]
        totals = pd.concat(frames).groupby(list(words))["value"].max().reset_index(name="requests")
        totals = totals.sort_values(["requests", *words], ascending=[False] + [True] * len(words))
        return Answer(totals.reset_index(drop=True), answers[0].query)

    def _blocks(
        self, selector: str, window: Window, by: Sequence[str], block_ms: int, extra: str | None = None
    ) -> Answer:
        # The last sample before the window is the base of the first increment.
        lead = window.with_lead(LOOKBACK_MS)
        raw = self.engine.samples(selector, lead)
        sid, time_ms, count = increments(raw.sid, raw.time.astype(np.int64), raw.value, self._targets(raw))
        block = (time_ms - window.start_ms - 1) // block_ms
        blocks = (window.end_ms - window.start_ms) // block_ms
        keep = (time_ms > window.start_ms) & (block < blocks)
        groups = self._named(raw.labels, by)
        if extra is not None:
            # Prometheus 2 writes le="1", Prometheus 3 le="1.0": the number is what counts.
            groups[extra] = raw.labels[extra].astype(np.float64) if len(raw) else pd.Series(dtype=np.float64)
        keys = [*by, *([extra] if extra else [])]
        frame = groups.iloc[sid[keep]].reset_index(drop=True)
        frame["block"] = block[keep]
        frame["count"] = count[keep]
        frame = frame.groupby([*keys, "block"], sort=True)["count"].sum().reset_index()
        ends = (window.start_ms + (frame["block"].to_numpy(np.int64) + 1) * block_ms).astype("datetime64[ms]")
        frame.insert(len(keys) + 1, "time", pd.DatetimeIndex(ends).tz_localize("UTC"))
        return Answer(frame, raw.query)

    def _targets(self, raw: SeriesSet) -> NDArray[np.int64]:
        """Number of the scraped target of each series; shape (series,)."""
        labels = [c for c in raw.labels.columns if c not in self.dialect.own_labels]
        if not labels or not len(raw):
            return np.zeros(len(raw), np.int64)
        return raw.labels.groupby(labels, sort=False).ngroup().to_numpy().astype(np.int64)


def unknown(kind: str, name: str, known: Sequence[str], source: str) -> ParameterError:
    """The error for a name that the store has never seen, with the nearest ones that it has."""
    near = difflib.get_close_matches(name, known, 3)
    shown = ", ".join(plain(n) for n in (near or list(known)[:8])) or "none at all"
    return ParameterError(
        f"{kind} {plain(name)!r} was never seen in {plain(source)}",
        f"did you mean {shown}?" if near else f"it has: {shown}",
    )
