"""A thousand random selectors over random stores in a real Prometheus: totals are exactly those of the counters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from random_stores import Store, question, store, total, windows
from real_prometheus import openmetrics, serving

from meshlab.engines.http import PrometheusEngine
from meshlab.telemetry.mesh import Mesh

pytestmark = pytest.mark.live

KINDS = [(jobs, replicas) for jobs in (1, 2, 3) for replicas in (1, 2)]
STORES, EACH = 12, 84


@pytest.fixture(scope="module")
def stores() -> list[Store]:
    kinds = [KINDS[n % len(KINDS)] for n in range(STORES)]
    return [store(1_000 + n, jobs=jobs, replicas=replicas, name=f"s{n}") for n, (jobs, replicas) in enumerate(kinds)]


@pytest.fixture(scope="module")
def url(
    stores: list[Store], tmp_path_factory: pytest.TempPathFactory, prometheus_binary: str, promtool_binary: str
) -> Iterator[str]:
    text = openmetrics([series for one in stores for series in one.series])
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with serving(folder, text, prometheus=prometheus_binary, promtool=promtool_binary) as address:
        yield address


@pytest.mark.parametrize("number", range(STORES))
def test_totals_are_those_of_the_counters(stores: list[Store], url: str, number: int) -> None:
    one, rng = stores[number], np.random.default_rng(number)
    # The samples lie in the past: what mesh there is need not be found out.
    mesh = Mesh(PrometheusEngine(url), (one.dialect,), "a store")
    among, wrong = windows(rng, 5), []
    for _ in range(EACH):
        window, by, where, reporter = asked = question(rng, among)
        counted, truth = total(mesh, asked), one.truth(window, where, reporter)
        wrong += [(window, by, where, reporter, counted, truth)] if counted != truth else []
    assert wrong == []
