"""Small series in promtool's notation, and what a query says of them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from meshlab.core.window import Window
from meshlab.recordings.engine import Recording

START = 1_769_860_800
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
Answer = dict[str, float]
Ask = Callable[..., Answer]


def _values(text: str) -> list[float | None]:
    """``1+2x3`` is 1 3 5 7; ``_`` is no sample, ``stale`` a marker."""
    found: list[float | None] = []
    for word in text.split():
        run = re.fullmatch(r"(-?[\d.]+)([+-][\d.]+)x(\d+)", word)
        if run:
            found += [float(run[1]) + float(run[2]) * i for i in range(int(run[3]) + 1)]
        else:
            found.append({"_": None, "stale": STALE}.get(word) if word in ("_", "stale") else float(word))
    return found


def _labels(text: str) -> dict[str, str]:
    name, _, inner = text.partition("{")
    return {"__name__": name, **dict(re.findall(r'(\w+)="([^"]*)"', inner))}


def load(series: dict[str, str], *, every: float = 15, left_open: bool = False) -> Recording:
    rows = []
    for who, text in series.items():
        points = [(START + every * i, v) for i, v in enumerate(_values(text)) if v is not None]
        rows.append((_labels(who), np.array([t for t, _ in points]), np.array([v for _, v in points])))
    return Recording.from_series(rows, left_open=left_open)


def said(recording: Recording, query: str, at: float) -> Answer:
    """Label sets as text, ``a=1,b=2``, and their values."""
    found = recording.query(query, datetime.fromtimestamp(START + at, UTC))
    names = [",".join(f"{k}={v}" for k, v in sorted(row.items()) if v) for row in found.labels.to_dict("records")] or [
        ""
    ] * len(found)
    assert found.sid.tolist() == list(range(len(names)))
    return dict(zip(names, found.value.tolist(), strict=True))


@pytest.fixture
def ask() -> Ask:
    """``ask(series, query, at=seconds)``: what an instant query says; the same as a range query of one point says."""

    def asking(
        series: dict[str, str], query: str, at: float = 60, *, every: float = 15, left_open: bool = False
    ) -> Answer:
        return said(load(series, every=every, left_open=left_open), query, at)

    return asking


@pytest.fixture
def over() -> Callable[..., dict[str, list[float]]]:
    """``over(series, query, until=seconds, step=seconds)``: values from the start on; NaN where there is none."""

    def asking(series: dict[str, str], query: str, until: float = 60, step: float = 15) -> dict[str, list[float]]:
        window = Window(START * 1000, int((START + until) * 1000), int(step * 1000))
        found = load(series).query_range(query, window)
        table = np.full((len(found), window.points), np.nan)
        table[found.sid, (found.time.astype(np.int64) - window.start_ms) // window.step_ms] = found.value
        names = [",".join(f"{k}={v}" for k, v in sorted(r.items()) if v) for r in found.labels.to_dict("records")]
        return {name: row.tolist() for name, row in zip(names or [""] * len(found), table, strict=True)}

    return asking
