"""Windows of any length, times in any form, and what else a mesh understands."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from istio_series import START, canary, engine, labels

from meshlab.core.window import Window
from meshlab.errors import ParameterError
from meshlab.questions.base import question
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Mesh

BLOCK = 15_000


def mesh() -> Mesh:
    return Mesh.detect(engine(canary()), "a test")


def long(hours: int, every_s: int = 60) -> Mesh:
    at = START + np.arange(0, hours * 3600, every_s)
    who = [labels("istio_requests_total", version="v1", reporter=reporter) for reporter in ("source", "destination")]
    return Mesh.detect(engine([(one, at, 5.0 * np.arange(len(at))) for one in who]), "a test")


@pytest.mark.parametrize("hours", [1, 40, 24 * 30])
def test_the_scrape_interval_is_known_however_long_the_window_is(hours: int) -> None:
    m = long(hours)
    assert m.probe.scrape_ms == 60_000


def test_retries_are_asked_about_over_forty_hours() -> None:
    m, retries = long(40), question("retries")
    settings = retries.settings()
    evidence = retries.collect(m, m.window(), settings)
    assert not evidence.missing.keys() & {"source", "destination", "callers", "called"}


def test_times_come_in_every_form() -> None:
    m = mesh()
    first, last = datetime.fromtimestamp(START + 30, UTC), datetime.fromtimestamp(START + 90, UTC)
    east = timezone(timedelta(hours=1))
    forms = [
        (first.isoformat(), last.isoformat(), "15s"),
        (str(START + 30), str(START + 90), "15s"),
        (START + 30, float(START + 90), "15s"),
        (np.int64(START + 30), np.float64(START + 90), timedelta(seconds=15)),
        (first, last.astimezone(east), "15s"),
        (pd.Timestamp(first), pd.Timestamp(last).tz_convert("Europe/Berlin"), "15s"),
    ]
    assert {m.window(*form) for form in forms} == {Window((START + 30) * 1000, (START + 90) * 1000, 15_000)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "start",
    [
        5,
        10**13,
        True,
        float("nan"),
        datetime(2026, 1, 31),
        pd.Timestamp("2026-01-31"),
        pd.NaT,
        object(),
        "0001-01-01T00:00:00+14:00",
        "-99999999w",
    ],
)
def test_what_is_no_time_is_refused(start: object) -> None:
    with pytest.raises(ParameterError, match=r"start .* (is no time|has no time zone)"):
        mesh().window(start)  # type: ignore[arg-type]


def test_a_step_without_a_unit_is_refused() -> None:
    with pytest.raises(ParameterError, match="is no duration"):
        mesh().window(step=15)  # type: ignore[arg-type]


def test_reporters_may_be_text_and_wrong_ones_are_refused() -> None:
    m = mesh()
    window = m.window()
    counts = [m.request_counts(window, ["code"], reporter=r, block_ms=BLOCK) for r in ("source", Reporter.SOURCE)]
    assert counts[0].value.tolist() == counts[1].value.tolist() != []
    for ask in (m.request_counts, m.latency_buckets, m.durations):
        with pytest.raises(ParameterError, match="'sources' is not a reporter; did you mean source"):
            ask(window, ["code"], reporter="sources", block_ms=BLOCK)
    with pytest.raises(ParameterError, match="not a reporter; there are: source, destination"):
        m.restarts(window, ["code"], reporter="7")


def test_promql_by_hand_is_a_frame() -> None:
    m = mesh()
    promql = 'sum by (destination_version, reporter) (rate(istio_requests_total{reporter="source"}[1m]))'
    tidy = m.query(promql, START + 60, step="30s")
    assert list(tidy) == ["destination_version", "reporter", "time", "value"]
    assert tidy.attrs["query"].promql == promql
    wide = m.query(promql, START + 60, step="30s", wide=True)
    assert list(wide.columns) == [("v1",), ("v2",)]
    assert wide.index.name == "time"
    assert wide[("v1",)].tolist() == tidy.loc[tidy["destination_version"] == "v1", "value"].tolist()
    assert m.query("sum(up)", wide=True).shape[1] == 0
    assert m.query("vector(1)", wide=True)["value"].eq(1).all()


def test_a_mesh_travels_to_other_processes() -> None:
    m = mesh()
    again = pickle.loads(pickle.dumps(m))
    window = m.window()
    first, second = (
        one.request_counts(window, ["code"], reporter="source", block_ms=BLOCK).tidy() for one in (m, again)
    )
    pd.testing.assert_frame_equal(first, second)
