"""Small series in promtool's notation, and what a query says of them."""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime

import numpy as np

from meshlab.promql.rules import Rules
from meshlab.recordings.engine import Recording

__all__ = ["START", "Answer", "load", "said"]

START = 1_769_860_800
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
Answer = dict[str, float]


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


def load(
    series: dict[str, str], *, every: float = 15, left_open: bool = False, rules: Rules | None = None
) -> Recording:
    rows = []
    for who, text in series.items():
        points = [(START + every * i, v) for i, v in enumerate(_values(text)) if v is not None]
        rows.append((_labels(who), np.array([t for t, _ in points]), np.array([v for _, v in points])))
    return Recording.from_series(rows, left_open=left_open, rules=rules)


def said(recording: Recording, query: str, at: float) -> Answer:
    """Label sets as text, ``a=1,b=2``, and their values."""
    found = recording.query(query, datetime.fromtimestamp(START + at, UTC))
    names = [",".join(f"{k}={v}" for k, v in sorted(row.items()) if v) for row in found.labels.to_dict("records")] or [
        ""
    ] * len(found)
    assert found.sid.tolist() == list(range(len(names)))
    return dict(zip(names, found.value.tolist(), strict=True))
