"""Sums are those of the counters themselves, whatever is selected, and however a store is put together."""

from __future__ import annotations

import numpy as np
import pytest
from random_stores import Store, question, store, total

from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

KINDS = [{"jobs": 1, "replicas": 1}, {"jobs": 2, "replicas": 1}, {"jobs": 1, "replicas": 2}, {"jobs": 2, "replicas": 2}]


def mesh(made: Store) -> Mesh:
    return Mesh.detect(Recording.from_series(made.series), "a test", options=made.options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_sums_are_those_of_the_counters(seed: int, kind: dict[str, int]) -> None:
    made, rng = store(seed, **kind), np.random.default_rng(seed)
    asked = [question(rng) for _ in range(15)]
    m = mesh(made)
    wrong = []
    for window, by, where, reporter in asked:
        counted, truth = total(m, (window, by, where, reporter)), made.truth(window, where, reporter)
        wrong += [(window, by, where, reporter, counted, truth)] if counted != truth else []
    assert wrong == []
