"""From raw samples to counts: the same sums as sample by sample, however the samples are cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshlab.core.blocks import BlockGrid
from meshlab.core.series import SeriesSet
from meshlab.telemetry import increase
from meshlab.telemetry.increase import increase_by_block
from meshlab.telemetry.targets import Targets

GRID = BlockGrid(0, 10_000, 5)
SAMPLE = st.tuples(st.integers(-20, 60), st.integers(0, 9))
COUNTER = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.dictionaries(st.integers(-20, 60), st.integers(0, 9)))
Cells = dict[tuple[str, int], float]


def by_hand(counters: list[tuple[str, int, dict[int, int]]]) -> Cells:
    """Sample by sample: resets count from zero, what appears on a known target rose from zero."""
    first = {target: min([min(s) for _, t, s in counters if t == target and s], default=0) for target in (0, 1)}
    cells: Cells = {}
    for name, target, samples in counters:
        own: Cells = {}
        before: int | None = None
        for at in sorted(samples):
            value = samples[at]
            base = at <= first[target] if before is None else False
            rise = value if before is None or value < before else value - before
            before = value
            if not base and 0 < at <= 50:
                key = name, (at - 1) // 10
                own[key] = own.get(key, 0.0) + rise
        for key, rise in own.items():
            cells[key] = cells.get(key, 0.0) + rise
    return cells


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COUNTER, max_size=6), st.sampled_from([1, 5, 1000]))
def test_sums_are_those_of_every_sample(
    monkeypatch: pytest.MonkeyPatch, counters: list[tuple[str, int, dict[int, int]]], chunk: int
) -> None:
    monkeypatch.setattr(increase, "_CHUNK", chunk)
    sid = np.repeat(np.arange(len(counters), dtype=np.int32), [len(s) for _, _, s in counters])
    at = np.array([1000 * t for _, _, s in counters for t in sorted(s)], np.int64)
    value = np.array([s[t] for _, _, s in counters for t in sorted(s)], np.float64)
    labels = pd.DataFrame({"name": [name for name, _, _ in counters]}, dtype=str)
    where = pd.DataFrame({"pod": [str(target) for _, target, _ in counters]}, dtype=str)
    targets = Targets.by(SeriesSet(where, sid, at.astype("datetime64[ms]"), value), ["pod"])
    counts = increase_by_block(targets, labels, GRID)
    rows = zip(counts.frame["name"], counts.frame["block"], counts.frame["count"], strict=True)
    assert {(name, block): count for name, block, count in rows} == by_hand(counters)
    keep = (labels["name"] == "a").to_numpy()
    narrow = increase_by_block(targets, labels, GRID, keep=keep)
    pd.testing.assert_frame_equal(narrow.frame, counts.select(name="a").frame)
    assert increase.increase(targets, GRID).sum() == counts.value.sum()
