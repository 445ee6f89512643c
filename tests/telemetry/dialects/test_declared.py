"""A mesh that only meshlab.toml knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from istio_series import Series, canary, engine
from mesh_series import rising

from meshlab.errors import ConfigError
from meshlab.recordings.recorder import record
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.check import Example, check_dialect
from meshlab.telemetry.dialects.declared import declared
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.source import connect

SHOP = """
[dialects.shop.destination]
requests = "shop_requests_total"
durations = "shop_duration_seconds_bucket"
unit = "s"
match = ['side="in"']
labels = { destination_service = "app", destination_namespace = "namespace", source = "peer" }
success = { label = "outcome", values = ["ok", "not found"] }
"""
TABLES = {
    "shop": {
        "destination": {
            "requests": "shop_requests_total",
            "durations": "shop_duration_seconds_bucket",
            "unit": "s",
            "match": ['side="in"'],
            "labels": {"destination_service": "app", "destination_namespace": "namespace", "source": "peer"},
            "success": {"label": "outcome", "values": ["ok", "not found"]},
        }
    }
}
OUTCOMES = {"ok": "2xx", "not found": "2xx", "refused": "5xx"}


def labels(outcome: str) -> dict[str, str]:
    return {"side": "in", "app": "catalog", "peer": "cart", "namespace": "shop", "outcome": outcome, "pod": "p"}


def requests() -> Iterator[Series]:
    for step, outcome in enumerate(OUTCOMES, 1):
        yield rising({"__name__": "shop_requests_total", **labels(outcome)}, step)
        for le in ("0.1", "+Inf"):
            yield rising({"__name__": "shop_duration_seconds_bucket", **labels(outcome), "le": le}, step)


def test_it_passes_the_checks_of_every_dialect() -> None:
    said = {"destination_service": "catalog", "destination_namespace": "shop", "source": "cart"}
    check_dialect(
        declared(TABLES, "a test")["shop"],
        [
            Example(Reporter.DESTINATION, {"__name__": "shop_requests_total", **labels(o)}, {**said, "code": code})
            for o, code in OUTCOMES.items()
        ],
    )


def test_it_is_found_in_any_source_beside_the_file(tmp_path: Path) -> None:
    store = engine(requests())
    span = store.span()
    assert span
    (tmp_path / "meshlab.toml").write_text(SHOP)
    window = Mesh.detect(store, "a test", options=MeshOptions(declared=declared(TABLES, "x"))).window()
    record(store, ['{__name__=~"shop_.*"}'], window, tmp_path / "rec", what="a test")
    mesh = connect("./rec", cwd=tmp_path)
    assert mesh.name == "shop"
    counts = mesh.request_counts(mesh.window(), ["code"], reporter="destination", block_ms=15_000).frame
    assert set(counts["code"]) == {"2xx", "5xx"}
    slow = mesh.latency_buckets(mesh.window(), [], reporter="destination", block_ms=15_000).frame
    assert sorted(set(slow["le"])) == [100.0, np.inf]


def test_what_it_reads_no_installed_dialect_reads_again() -> None:
    side = {"requests": "istio_requests_total", "labels": {"destination_service": "destination_workload"}}
    options = MeshOptions(declared=declared({"mine": {"source": side}}, "a test"))
    assert Mesh.detect(engine(canary()), "a test", options=options).name == "mine"
    assert Mesh.detect(engine(canary(), requests()), "a test", options=options).name == "mine"


@pytest.mark.parametrize(
    ("side", "says"),
    [
        ({}, "has no requests"),
        ({"requests": "a_total", "labels": {}}, "no label names the called service"),
        ({"requests": "a_total", "labels": {"destination_servise": "a"}}, "did you mean destination_service"),
        ({"requests": "a_total", "labels": {"destination_service": "a-b"}}, "'a-b' is no label name"),
        ({"requests": "a_total", "labels": {"destination_service": "a"}, "durations": "a"}, "ends with _bucket"),
        ({"requests": "a_total", "labels": {"destination_service": "a"}, "unit": "h"}, "unit of .* is 'h'"),
        ({"requests": "a_total", "labels": {"destination_service": "a"}, "match": ["x"]}, "'x' is no matcher"),
        (
            {
                "requests": "a",
                "labels": {"destination_service": "a", "code": "c"},
                "success": {"label": "c", "values": ["1"]},
            },
            "both a label of codes and success",
        ),
    ],
)
def test_a_mistake_is_one_sentence(side: Mapping[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        declared({"x": {"source": side}}, "meshlab.toml")
    assert "dialects.x" in str(raised.value)


def test_a_dialect_without_a_side_is_none() -> None:
    with pytest.raises(ConfigError, match="neither source nor destination"):
        declared({"x": {}}, "meshlab.toml")
