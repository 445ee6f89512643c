"""A thousand random expressions over random series: the embedded evaluator says what a real Prometheus says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import disagreement
from binaries import Generation
from random_queries import COUNT, EVERY, START, Series, drawn, queries, series_sets
from real_prometheus import rules_of
from remote_write import write_request, written_to

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery
from meshlab.promql.evaluate import Evaluator
from meshlab.promql.values import Ranges, Scalar, Vector
from meshlab.recordings.engine import Recording

pytestmark = pytest.mark.live

WINDOW = Window((START - 60) * 1000, (START + EVERY * COUNT + 420) * 1000, 60_000)


class Largest:
    """Remembers the largest number that an evaluation held: what the tolerance is measured by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen = 0.0
        evaluate = Evaluator.evaluate

        def watched(evaluator: Evaluator, node: Any) -> Any:
            found = evaluate(evaluator, node)
            if isinstance(found, Vector | Scalar | Ranges):
                sizes = np.abs(found.value[np.isfinite(found.value)])
                self.seen = max(self.seen, float(sizes.max(initial=0.0)))
            return found

        monkeypatch.setattr(Evaluator, "evaluate", watched)


def answer(engine: Recording | PrometheusEngine, query: str, at: float | None) -> SeriesSet | None:
    try:
        if at is None:
            return engine.query_range(query, WINDOW)
        return engine.query(query, datetime.fromtimestamp(at, UTC))
    except BadQuery:
        return None


def compared(
    pair: tuple[Recording, PrometheusEngine], asked: list[Any], largest: Largest
) -> tuple[list[str], int, int]:
    """What differs; how many answers held something, and how many questions both refused."""
    wrong, answered, refused = [], 0, 0
    for query, at in asked:
        largest.seen = 0.0
        ours, theirs = (answer(engine, query, at) for engine in pair)
        where = "over the window" if at is None else f"at {at - START}"
        if ours is None or theirs is None:
            refused += ours is theirs
            if ours is not theirs:
                wrong.append(f"{query} {where}: only {'we' if ours is None else 'Prometheus'} refused it")
            continue
        answered += len(theirs.sid) > 0
        said = disagreement(ours, theirs, largest.seen)
        if said:
            wrong.append(f"{query} {where}: {said}")
    return wrong, answered, refused


@pytest.mark.parametrize("number", range(4))
def test_random_queries(number: int, tmp_path: Path, generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    series: list[Series] = drawn(series_sets(), 3, number)[-1]
    asked = drawn(queries(), 300, number)
    with written_to(tmp_path / "written", write_request(series), prometheus=generation.prometheus) as url:
        engine = PrometheusEngine(url)
        if engine.left_open:
            asked = [(query.replace("holt_winters", "double_exponential_smoothing"), at) for query, at in asked]
        pair = Recording.from_series(series, rules=rules_of(engine)), engine
        wrong, answered, refused = compared(pair, asked, Largest(monkeypatch))
    assert wrong == []
    assert answered > 100, "the comparison needs something to compare"
    assert refused > 5, "and something to refuse"
