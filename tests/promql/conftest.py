"""What a query says of small series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from promql_series import START, Answer, load, said

from meshlab.core.window import Window

Ask = Callable[..., Answer]


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
