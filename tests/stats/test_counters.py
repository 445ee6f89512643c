from __future__ import annotations

import numpy as np

from meshlab.stats.counters import first_scrapes, increments, lost_parts, resets


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


def lost(*values: list[float], every: int = 15_000, group: list[int] | None = None) -> list[tuple[int, int]]:
    """Series and scrape of each unknown increment."""
    sid = np.repeat(np.arange(len(values), dtype=np.int32), [len(v) for v in values])
    scrape = np.concatenate([np.arange(len(v)) for v in values])
    rows = lost_parts(sid, scrape * every, np.concatenate(values), np.array(group or [0] * len(values)))
    return [(int(sid[row]), int(scrape[row])) for row in rows]


def test_a_fall_to_what_accrued_since_a_restart_is_a_restart() -> None:
    assert lost([10_000, 10_250, 10_500, 240, 500]) == []
    assert lost([10_000, 10_250, 10_500, 2_000, 2_250]) == [], "ten times the pace: callers were waiting"
    assert lost([3, 3, 3, 2, 2]) == lost([500, 500, 500, 25, 25]) == [], "what is rare comes in bursts"
    assert lost([2_000.0, 1_900, 1_800, 1_700]) == [], "it did nothing but fall: nothing is known of its pace"


def test_a_fall_to_more_than_that_is_a_part_that_went_away() -> None:
    assert lost([15_000.0, 15_250, 10_400, 10_650]) == [(0, 2)]
    idle = [400.0, 400, 400, 400]
    assert lost([15_000.0, 15_250, 10_400, 10_650], idle) == [(0, 2), (1, 2)], "a part of this one is gone as well"
    assert lost([15_000.0, 15_250, 10_400, 10_650], idle, group=[0, 1]) == [(0, 2)]
    twice = [30_000.0, 30_250, 15_400, 15_650, 100, 350]
    assert lost(twice) == [(0, 2), (0, 4)], "a sum's last part may leave little"


def test_a_part_that_went_away_is_no_restart_and_its_increment_is_left_out() -> None:
    value, sid = np.array([15_000.0, 15_250, 10_400, 10_650]), np.zeros(4, np.int32)
    time, rows = 15_000 * np.arange(4), np.array([2])
    unknown = np.isin(np.arange(4), rows)
    assert increments(sid, time, value, np.array([0]), unknown)[2].tolist() == [250.0, 250.0]
    assert resets(sid, value, 1, rows).tolist() == [0]
    assert resets(sid, value, 1).tolist() == [1]
