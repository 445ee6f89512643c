"""Stale markers come along: where a series ended, and asked for only there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from remote_write import write_request, written_to
from stored import read_folder

from meshlab.core.selector import Matcher, equal
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span
from meshlab.engines import remote_read
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import Refused, Unreachable
from meshlab.promql.store import STALE_BITS
from meshlab.recordings import recorder
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

T = 1_769_860_800
STALE = np.array([STALE_BITS], np.uint64).view(np.float64)[0]
Series = list[tuple[dict[str, str], np.ndarray, np.ndarray]]


def store(*, ends: Sequence[float] = (), gap: bool = True) -> Series:
    """Series of 15 s over two hours: one goes on, one ends at each moment, one was not scraped for a while."""
    at = T + 15.0 * np.arange(480)
    series: Series = [({"__name__": "up", "pod": "on"}, at, np.ones(480))]
    for end in ends:
        mine = np.r_[at[at <= end], at[at > end][:1]]
        series.append(({"__name__": "up", "pod": f"until-{end - T:g}"}, mine, np.r_[np.ones(len(mine) - 1), STALE]))
    if gap:
        value = np.where((at > T + 3000) & (at < T + 3300), np.nan, 1.0)
        keep = ~np.isnan(value)
        keep[201] = True
        series.append(({"__name__": "up", "pod": "gap"}, at[keep], np.where(at[keep] == at[201], STALE, 1.0)))
    return series


class Server:
    """A live store that answers as one of its recordings does, with labels of its own on its markers."""

    description = "Prometheus 2.42.0 at http://prometheus.internal:9090"
    is_live = True
    left_open = False
    tells_ends = True

    def __init__(self, series: Series, *, external: bool = False, fails: bool = False, offered: bool = True) -> None:
        self.store = Recording.from_series(series)
        self.spans: list[Span] = []
        self.external, self.fails, self.offered = external, fails, offered

    def samples(self, selector: str, window: Span) -> SeriesSet:
        return self.store.samples(selector, window)

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        return self.store.query(promql, at)

    def now(self) -> datetime:
        return self.store.now()

    def stale_markers(self, matchers: Sequence[Matcher], spans: Sequence[Span]) -> SeriesSet | None:
        self.spans += spans
        if self.fails:
            raise Unreachable("nothing answers", "try again")
        if not self.offered:
            return None
        found = self.store.stale_markers(matchers, spans)
        return (
            replace(found, labels=found.labels.assign(replica="a", pod=found.labels["pod"])) if self.external else found
        )


WINDOW = Span((T + 600) * 1000, (T + 7200) * 1000)
ENDS = (T + 1200, T + 1800 - 15, T + 1800, T + 1800 + 15, T + 4000)


def alive(engine: object, out: Path | None = None) -> list[float]:
    reader = Recording.open(out) if out else engine
    times = [datetime.fromtimestamp(t, UTC) for t in np.arange(T + 900, T + 4600, 20.0)]
    return [float(reader.query("count(up)", at).value[0]) for at in times]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("span_minutes", "external"), [(1, False), (5, True), (30, False), (360, True)])
def test_a_recording_sees_a_series_end_when_its_server_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, external: bool, span_minutes: int
) -> None:
    monkeypatch.setattr(recorder, "_SPANS_MS", (60_000, 60_000 * span_minutes) if span_minutes > 1 else (60_000,))
    monkeypatch.setattr(recorder, "_FIRST_MS", recorder._SPANS_MS[-1])
    monkeypatch.setattr(recorder, "_EMPTY_MS", recorder._SPANS_MS[-1])
    series = store(ends=ENDS)
    server = Server(series, external=external)
    out = record(server, ["up"], WINDOW, tmp_path / "out", what="a test")  # type: ignore[arg-type]
    assert alive(server.store, out) == alive(server.store)
    assert "replica" not in read_folder(out).series.labels
    assert sum(span.duration_ms for span in server.spans) < 4_000_000, "asked for where something stops"
    again = record(Recording.open(out), ["up"], WINDOW, tmp_path / "again", what="a test")
    assert alive(server.store, again) == alive(server.store)


def test_nothing_is_asked_while_all_goes_on(tmp_path: Path) -> None:
    server = Server(store(gap=False))
    record(server, ["up"], Span(WINDOW.start_ms, (T + 479 * 15) * 1000), tmp_path / "out", what="a test")  # type: ignore[arg-type]
    assert not server.spans


def test_pseudonyms_end_too(tmp_path: Path) -> None:
    server = Server(store(ends=ENDS))
    out = record(server, ["up"], WINDOW, tmp_path / "out", what="a test", redact=["pod"])  # type: ignore[arg-type]
    assert alive(server.store, out) == alive(server.store)
    assert all(pod.startswith("r-") for pod in read_folder(out).series.labels["pod"])


def test_markers_that_are_not_told_are_named_where_the_store_offers_them(tmp_path: Path) -> None:
    for name, server in (("fails", Server(store(), fails=True)), ("not", Server(store(), offered=False))):
        manifest = read_folder(record(server, ["up"], WINDOW, tmp_path / name, what="a test")).manifest  # type: ignore[arg-type]
        assert bool(manifest.get("warnings")) is (name == "fails")


def test_a_resumed_recording_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_SPANS_MS", (60_000, 300_000))
    monkeypatch.setattr(recorder, "_EMPTY_MS", 300_000)
    series = store(ends=ENDS)
    whole = record(Server(series), ["up"], WINDOW, tmp_path / "a" / "out", what="a test")  # type: ignore[arg-type]
    for most in range(1, 24, 7):
        target = tmp_path / str(most) / "out"
        server = Server(series)
        answered = iter(range(most))
        before = server.samples

        def samples(selector: str, window: Span, before: object = before, answered: object = answered) -> SeriesSet:
            if next(answered, None) is None:  # type: ignore[call-overload]
                raise Unreachable("gone", "")
            return before(selector, window)  # type: ignore[operator,no-any-return]

        monkeypatch.setattr(server, "samples", samples)
        with pytest.raises(Unreachable):
            record(server, ["up"], WINDOW, target, what="a test")  # type: ignore[arg-type]
        record(Server(series), ["up"], WINDOW, target, what="a test")  # type: ignore[arg-type]
        assert (target / "samples.parquet").read_bytes() == (whole / "samples.parquet").read_bytes()


def answer(series: Series) -> bytes:
    """A write request is what an answer holds, one message deeper."""
    import pyarrow as pa

    size, _ = remote_read._varint(write_request(series), 0)
    plain = pa.decompress(write_request(series), size, codec="snappy", asbytes=True)
    return bytes(pa.compress(remote_read._message(1, plain), codec="snappy", asbytes=True))


def test_an_answer_of_remote_read() -> None:
    body = answer(
        [*store(ends=ENDS), ({"__name__": "zero", "job": "\x09\x02"}, np.array([T, T + 1]), np.array([0, 2.0]))]
    )
    found = remote_read.stale_markers(body, Query("", ""), "it", max_bytes=1 << 30)
    assert len(found) == len(ENDS) + 1
    assert set(found.value.view(np.uint64).tolist()) == {STALE_BITS}
    at = {
        row["pod"]: int(t) for row, t in zip(found.labels.to_dict("records"), found.time.astype(np.int64), strict=True)
    }
    assert at["until-1200"] == (T + 1215) * 1000
    assert remote_read.stale_markers(b"", Query("", ""), "it", max_bytes=1).labels.empty


@pytest.mark.parametrize("seed", range(30))
def test_an_answer_that_is_none(seed: int) -> None:
    random = np.random.default_rng(seed)
    body = bytearray(answer(store(ends=ENDS)))
    for _ in range(5):
        body[random.integers(len(body))] = random.integers(256)
    body = body[: random.integers(len(body))] if seed % 2 else body
    try:
        remote_read.stale_markers(bytes(body), Query("", ""), "it", max_bytes=1 << 24)
    except Refused:
        pass


@pytest.mark.live
def test_what_a_real_prometheus_tells(tmp_path: Path) -> None:
    series = store(ends=ENDS)
    with written_to(tmp_path / "real", write_request(series)) as url:
        engine = PrometheusEngine(url)
        found = engine.stale_markers([equal("__name__", "up")], [WINDOW])
        assert found is not None
        assert len(found.sid) == len(ENDS) + 1
        out = record(engine, ["up"], WINDOW, tmp_path / "out", what="a test")
        assert alive(engine, out) == alive(engine)
