from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshlab.core.times import format_duration, parse_duration
from meshlab.core.window import Window
from meshlab.errors import ParameterError

NOW = datetime(2026, 1, 31, 12, 0, 7, tzinfo=UTC)


def test_every_way_to_write_a_time_means_the_same() -> None:
    windows = {
        Window.parse("2026-01-31T11:00:00Z", "2026-01-31T11:30:00Z", "15s", now=NOW),
        Window.parse("2026-01-31T12:00:00+01:00", "2026-01-31T12:30:00+01:00", "15s", now=NOW),
        Window.parse("1769857200", "1769859000", "15s", now=NOW),
    }
    assert len(windows) == 1
    assert windows.pop().points == 121


def test_a_window_shrinks_to_its_grid() -> None:
    window = Window.parse("-1h", "", "1m", now=NOW)
    assert window.start == datetime(2026, 1, 31, 11, 1, tzinfo=UTC)
    assert window.end == datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert str(window) == "2026-01-31T11:01:00Z to 2026-01-31T12:00:00Z, step 1m"


@pytest.mark.parametrize(
    ("start", "end", "step", "says"),
    [
        ("2026-01-31T11:00:00", "", "", "no time zone"),
        ("yesterday", "", "", "is no time"),
        ("-1 hour", "", "", "is no duration"),
        ("-1h", "-2h", "", "not after its start"),
        ("-1h", "", "15", "is no duration"),
        ("-10s", "", "5m", "empty"),
    ],
)
def test_bad_times_are_refused(start: str, end: str, step: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        Window.parse(start, end, step, now=NOW)


@pytest.mark.parametrize(("text", "ms"), [("250ms", 250), ("1h30m", 5_400_000), ("2d", 172_800_000), ("90s", 90_000)])
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms
    assert parse_duration(format_duration(ms)) == ms
