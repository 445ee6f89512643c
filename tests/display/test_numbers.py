from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from meshlab.display.numbers import difference, duration, interval, measure, number, percent, plural
from meshlab.display.times import moment, moments, span, window


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (360.4, "360"),
        (20367.0, "20,367"),
        (3.5449, "3.54"),
        (39.8, "39.8"),
        (-0.00123, "−0.00123"),
        (-1234.5, "−1,234"),
        (2.14e-9, "2.1×10⁻⁹"),
        (0.9996, "1"),
        (999.6, "1,000"),
        (math.inf, "not bounded"),
        (math.nan, "not bounded"),
        (-1e-300, "−1.0×10⁻³⁰⁰"),
    ],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        *[(0.9267, "92.7 %"), (0.0733, "7.3 %"), (0.04, "4 %"), (1, "100 %"), (0, "0 %"), (0.0001, "< 0.1 %")],
        *[(0.9999, "> 99.9 %"), (1.5, "150 %"), (-0.25, "−25 %"), (12.5, "1,250 %")],
    ],
)
def test_percentages_add_up_and_never_hide_a_rest(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_units_and_signs() -> None:
    assert (difference(1.25), difference(-1.25), difference(0)) == ("+1.25", "−1.25", "0")
    assert (measure(850, "ms"), measure(1850, "ms"), measure(0.25, "s")) == ("850 ms", "1.85 s", "250 ms")
    assert (measure(0.25, "share"), measure(0.54, "probability")) == ("25 %", "0.54")
    assert (measure(12.5, "% of time"), measure(2, "")) == ("12.5 % of time", "2")
    assert interval(-0.5, math.inf, "points") == "−0.5 points to not bounded"
    assert interval(0.5, 1.5, "points") == "0.5 to 1.5 points"
    assert interval(850, 1200, "ms") == "850 ms to 1.2 s"
    assert interval(0.1, 0.2, "share") == "10 to 20 %"


def test_durations_and_plurals() -> None:
    shown = [duration(s) for s in (0, 0.85, 40.72, 190, 600, 3600, 9000, 36_000, 864_000)]
    assert shown == ["0 s", "850 ms", "40.7 s", "190 s", "10 min", "1 h", "150 min", "10 h", "10 d"]
    assert [plural(n, "edge") for n in (0, 1, 1204)] == ["0 edges", "1 edge", "1,204 edges"]
    assert plural(2, "policy", "policies") == "2 policies"


START, END = datetime(2026, 11, 23, 13, 19, tzinfo=UTC), datetime(2026, 11, 23, 13, 29, tzinfo=UTC)


def test_times() -> None:
    assert moment(START) == "23 Nov 2026, 13:19 UTC"
    assert span(START, END) == "23 Nov 2026, 13:19-13:29 UTC (10 min)"
    assert window(f"{START.isoformat()} to {END.isoformat()}, step 15s", length=False) == "23 Nov 2026, 13:19-13:29 UTC"
    assert window("an hour", "Europe/Berlin") == "an hour"
    assert moments("2026-99-99T00:00:00Z") == []


@pytest.mark.parametrize(
    ("text", "tz", "shown"),
    [
        # The clocks are put back in between.
        (
            "2026-10-24T22:30:00Z to 2026-10-25T02:30:00.5Z",
            "Europe/Berlin",
            "25 Oct 2026, 00:30 CEST - 03:30:00.5 CET",
        ),
        (
            "2026-01-01T03:00:00Z to 2026-01-01T06:00:00Z",
            "America/New_York",
            "31 Dec 2025, 22:00 - 1 Jan 2026, 01:00 EST",
        ),
    ],
)
def test_a_window_in_a_time_zone(text: str, tz: str, shown: str) -> None:
    assert window(text, tz, length=False) == shown
