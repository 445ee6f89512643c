"""Envoy's own cluster counters know the version of what was lost."""

from __future__ import annotations

from pathlib import Path

import mesh_series
import pytest
from istio_series import HOST, canary, engine, lost

import meshlab
from meshlab.telemetry.mesh import Mesh

ROOT = Path(__file__).parents[2]


def subset(version: str, code: str, step: int, host: str = HOST) -> mesh_series.Series:
    who = {"__name__": "envoy_cluster_upstream_rq", "cluster_name": f"outbound|80|{version}|{host}", "job": "envoy"}
    return mesh_series.rising({**who, "pod": "storefront-v1-0", "response_code": code}, step)


def test_the_version_of_what_was_lost_is_known() -> None:
    own = [subset("v1", "200", 30), subset("v2", "200", 10), subset("v2", "503", 7), subset("", "200", 3)]
    m = Mesh.detect(engine(canary(), [lost(step=7)], own, [subset("v1", "503", 5, "cart.shop.svc.cluster.local")]), "x")
    counts = m.subset_counts(m.window(), [HOST], block_ms=15_000)
    table = counts.totals(("destination_service", "destination_version", "code"))
    rows = table.drop(columns=["first", "last"]).to_numpy().tolist()
    assert rows == [["catalog", "v1", "200", 1800], ["catalog", "v2", "200", 600], ["catalog", "v2", "503", 420]]
    assert len(m.subset_counts(m.window(), block_ms=15_000)) == 4


def test_no_counters_are_no_counts() -> None:
    m = Mesh.detect(engine(canary()), "a test")
    counts = m.subset_counts(m.window(), [HOST], block_ms=15_000)
    assert counts.empty
    assert "destination_version" in counts.words


@pytest.mark.parametrize(("version", "errors"), [("v1", 661), ("v2", 686)])
def test_on_a_recording_they_are_what_callers_count(version: str, errors: int) -> None:
    m = meshlab.connect("canary-regression", cwd=ROOT)
    counts = m.subset_counts(m.window(), ["catalog.shop.svc.cluster.local"], block_ms=15_000)
    found = counts.select(destination_version=version, code="5xx").totals()["count"].sum()
    assert found == errors
