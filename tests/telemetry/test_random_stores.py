"""Sums are those of the counters themselves, whatever is selected, and however a store is put together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_stores import EVERY_S, Store, question, store, total, windows

from meshlab.core.counts import Counts
from meshlab.core.window import Window
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.increase import LOST_PARTS
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.scraped_twice import SCRAPED_TWICE

KINDS = [{"jobs": 1, "replicas": 1}, {"jobs": 2, "replicas": 1}, {"jobs": 1, "replicas": 2}, {"jobs": 2, "replicas": 2}]
WORDS = ("source", "destination_service", "destination_version", "destination_cluster", "code", "flags")
SEEDS = st.integers(0, 500)


def mesh(made: Store, order: np.ndarray | None = None) -> Mesh:
    series = made.series if order is None else [made.series[n] for n in order]
    return Mesh(Recording.from_series(series), (made.dialect,), "a test")


def counts(m: Mesh, window: Window, reporter: Reporter, where: list[Condition] | None = None) -> Counts:
    return m.request_counts(window, WORDS, where or [], reporter=reporter, block_ms=2 * EVERY_S * 1000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_the_counters(seed: int, kind: dict[str, int]) -> None:
    made, rng = store(seed, **kind), np.random.default_rng(seed)
    m, among, wrong = mesh(made), windows(rng, 4), []
    for _ in range(12):
        window, by, where, reporter = asked = question(rng, among)
        counted, truth = total(m, asked), made.truth(window, where, reporter)
        wrong += [(window, by, where, reporter, counted, truth)] if counted != truth else []
    assert wrong == []


@settings(max_examples=25)
@given(SEEDS, st.sampled_from(KINDS), st.sampled_from(WORDS), st.sampled_from([*Reporter]), st.booleans())
def test_narrowing_counts_what_grouping_counts(
    seed: int, kind: dict[str, int], word: str, reporter: Reporter, up: bool
) -> None:
    made = store(seed, up=up, **kind)
    window = windows(np.random.default_rng(seed), 1)[0]
    grouped = counts(mesh(made), window, reporter)
    for value in grouped.labels[word].unique():
        narrow = counts(mesh(made), window, reporter, [Condition(word, (value,))])
        pd.testing.assert_frame_equal(narrow.frame, grouped.select(**{word: value}).frame)


@settings(max_examples=15)
@given(SEEDS, st.sampled_from(KINDS), st.sampled_from([*Reporter]))
def test_the_order_of_series_counts_nothing(seed: int, kind: dict[str, int], reporter: Reporter) -> None:
    made, rng = store(seed, **kind), np.random.default_rng(seed)
    window = windows(rng, 1)[0]
    other = counts(mesh(made, rng.permutation(len(made.series))), window, reporter)
    pd.testing.assert_frame_equal(counts(mesh(made), window, reporter).frame, other.frame)


@settings(max_examples=15)
@given(SEEDS, st.sampled_from(KINDS[1:]), st.sampled_from([*Reporter]))
def test_more_scrapers_and_replicas_change_nothing(seed: int, kind: dict[str, int], reporter: Reporter) -> None:
    window = windows(np.random.default_rng(seed), 1)[0]
    alone, more = (counts(mesh(store(seed, **one)), window, reporter) for one in (KINDS[0], kind))
    pd.testing.assert_frame_equal(alone.frame, more.frame)


def test_what_was_there_twice_is_said_and_totals_count_it_once() -> None:
    alone, twice = (mesh(store(7, jobs=jobs)) for jobs in (1, 2))
    window = alone.window(step="15s")
    assert alone.scraped_twice(window) == ()
    assert twice.scraped_twice(window) == ("annotated", "pods")
    words = ("destination_service", "code")
    one, both = (m.totals(window, words) for m in (alone, twice))
    assert both.query.infos[0].startswith(SCRAPED_TWICE)
    assert not one.query.infos
    merged = one.frame.merge(both.frame, on=[*words], suffixes=("", "_twice"))
    assert len(merged) == len(one.frame) == len(both.frame)
    assert merged["requests_twice"].to_numpy() == pytest.approx(merged["requests"].to_numpy(), rel=0.25, abs=3)
    assert any(text.startswith(SCRAPED_TWICE) for text in counts(twice, window, Reporter.SOURCE).query.infos)


def test_a_part_of_a_sum_that_goes_away_is_no_restart() -> None:
    made, rng = store(3), np.random.default_rng(0)
    who = {**made.counters[0].labels, "instance": "prometheus:9090", "job": "federate", "reporter": "source"}
    who = {name: value for name, value in who.items() if name not in ("pod", "namespace")}
    at = made.series[0][1][0] + EVERY_S * np.arange(40)
    rises = {"200": rng.poisson(30, 40), "503": rng.poisson(0.2, 40)}
    lost = {"200": 50_000, "503": 0}
    sums = [
        ({**who, "response_code": code}, at, 150_000 + np.cumsum(rise) - np.where(np.arange(40) >= 20, lost[code], 0))
        for code, rise in rises.items()
    ]
    m = Mesh(Recording.from_series(sums), (made.dialect,), "a test")
    window = Window(int(at[0]) * 1000, int(at[-1] + 15) * 1000, 15_000)
    counted = m.request_counts(window, ("code",), reporter="source", block_ms=15_000)
    known = {code: int(rise[1:].sum() - rise[20]) for code, rise in rises.items()}
    assert dict(zip(counted.labels["code"], counted.totals()["count"], strict=True)) == known
    assert [text.split(":")[0] for text in counted.query.failed] == [LOST_PARTS]
    assert m.restarts(window, ("destination_service",), reporter="source").frame["restarts"].sum() == 0
    assert any(text.startswith(LOST_PARTS) for text in m.totals(window, ("code",)).query.infos)
