"""A long gap costs its logarithm, and loses no sample."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from stored import read_folder

from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.errors import BadQuery
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

T = 1_700_000_000
DAY = 86_400


class Counted:
    """A live store that counts what it is asked."""

    description = "Prometheus 2.42.0 at http://prometheus.internal:9090"
    is_live = True

    def __init__(self, at: np.ndarray, *, left_open: bool = False, warns: bool = False, refuses: bool = False) -> None:
        self.left_open = left_open
        self.store = Recording.from_series([({"__name__": "up"}, at, np.arange(len(at)))], left_open=left_open)
        self.asked, self.warns, self.refuses = 0, warns, refuses

    def samples(self, selector: str, window: Span) -> SeriesSet:
        self.asked += 1
        return self.store.samples(selector, window)

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        self.asked += 1
        if self.refuses:
            raise BadQuery("no")
        found = self.store.query(promql, at)
        return found.with_query(replace(found.query, warnings=("partial",))) if self.warns else found

    def now(self) -> datetime:
        return self.store.now()


def recorded(engine: Counted, at: np.ndarray, tmp_path: Path) -> list[int]:
    window = Span(round(at[0] * 1000) - 1, round(at[-1] * 1000))
    out = record(engine, ["up"], window, tmp_path / "out", what="a test")  # type: ignore[arg-type]
    return [int(t) for t in read_folder(out).series.time.astype(np.int64)]


@pytest.mark.parametrize("left_open", [False, True])
@pytest.mark.parametrize(
    "later",
    [
        [30 * DAY],
        [2_300 * DAY],
        [30 * DAY, 30 * DAY + 1],
        [DAY, 400 * DAY, 400 * DAY + 7_200],
        [3_600 * n for n in (2, 8, 8.0001, 26, 80)],
    ],
)
def test_nothing_is_lost_and_a_gap_costs_little(tmp_path: Path, later: list[float], left_open: bool) -> None:
    at = np.r_[T + 15.0 * np.arange(240), T + 3_600 + np.array(later)].round(3)
    engine = Counted(at, left_open=left_open)
    assert recorded(engine, at, tmp_path) == [round(t * 1000) for t in at]
    assert engine.asked < 30 * len(later)


@pytest.mark.parametrize("seed", range(5))
def test_samples_at_any_times(tmp_path: Path, seed: int) -> None:
    at = T + np.cumsum(np.random.default_rng(seed).pareto(0.5, 60) * 600 + 0.001).round(3)
    engine = Counted(at)
    assert recorded(engine, at, tmp_path) == [round(t * 1000) for t in at]
    assert engine.asked < 40 * len(at)


@pytest.mark.parametrize("how", ["warns", "refuses"])
def test_a_count_that_may_lack_something_is_not_believed(tmp_path: Path, how: str) -> None:
    at = np.array([T, T + 2 * DAY])
    engine = Counted(at, **{how: True})
    assert recorded(engine, at, tmp_path) == [T * 1000, (T + 2 * DAY) * 1000]
    assert engine.asked > 48, "fetched piece by piece"
