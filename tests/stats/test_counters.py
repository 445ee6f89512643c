from __future__ import annotations

import numpy as np

from meshlab.stats.counters import first_scrapes, increments


def run(*series: tuple[int, list[int], list[float]]) -> list[tuple[int, int, int]]:
    sid = np.concatenate([np.full(len(t), i, np.int32) for i, (_, t, _) in enumerate(series)])
    time = np.concatenate([np.array(t, np.int64) for _, t, _ in series])
    value = np.concatenate([np.array(v, float) for _, _, v in series])
    target = np.array([where for where, _, _ in series])
    base = first_scrapes(sid, time, target)
    return [tuple(map(int, row)) for row in zip(*increments(sid, time, value, base), strict=True)]


def test_increments_are_exact_and_the_first_sample_is_the_base() -> None:
    assert run((0, [10, 20, 30], [5, 7, 7])) == [(0, 20, 2), (0, 30, 0)]


def test_a_reset_counts_from_zero() -> None:
    assert run((0, [10, 20, 30], [50, 3, 4])) == [(0, 20, 3), (0, 30, 1)]


def test_a_counter_that_appears_later_on_a_known_target_rose_from_zero() -> None:
    rows = run((0, [10, 20, 30], [5, 7, 7]), (0, [20, 30], [2, 2]), (1, [20, 30], [9, 10]))
    assert (1, 20, 2) in rows, "its target was scraped at 10 without it"
    assert (2, 20, 9) not in rows, "its target was never scraped before"
    assert (2, 30, 1) in rows


def test_nothing_gives_nothing() -> None:
    empty = np.empty(0)
    assert len(increments(empty.astype(np.int32), empty.astype(np.int64), empty, empty.astype(np.int64))[0]) == 0
