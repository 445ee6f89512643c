"""Which meshes a store speaks of, told by names alone."""

from __future__ import annotations

import mesh_series
import numpy as np
import pytest
from istio_series import Series, canary, engine, times

from meshlab.core.selector import equal
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.registry import installed
from meshlab.telemetry.mesh import Mesh


def named(*names: str) -> list[Series]:
    return [({"__name__": name, "job": "x"}, times(), np.arange(61.0)) for name in names]


def found(*series: object, **options: object) -> list[str]:
    mesh = Mesh.detect(engine(*series), "a test", options=MeshOptions(**options))  # type: ignore[arg-type]
    return [dialect.name for dialect in mesh.dialects]


def test_each_mesh_is_found_by_its_own_names() -> None:
    assert found(canary()) == ["Istio"]
    assert found(mesh_series.linkerd()) == ["Linkerd"]
    assert found(mesh_series.routes()) == ["Linkerd"]
    assert found(mesh_series.envoy()) == ["Envoy"]


def test_two_meshes_in_one_store_are_both_found() -> None:
    assert found(mesh_series.linkerd(), canary()) == ["Istio", "Linkerd"]


def test_envoys_own_statistics_are_the_same_requests_again() -> None:
    assert found(canary(), mesh_series.envoy()) == ["Istio"]
    assert found(canary(), mesh_series.envoy(), mesh="envoy") == ["Envoy"]
    assert found(canary(), mesh_series.linkerd(), mesh="linkerd") == ["Linkerd"]


def test_a_response_counter_without_a_direction_is_no_linkerd() -> None:
    with pytest.raises(ParameterError, match="no metrics of a mesh that meshlab knows"):
        found(named("response_total"))


def test_where_nothing_is_found_it_says_what_was_looked_for() -> None:
    with pytest.raises(ParameterError) as error:
        found(named("up", "envoy_server_live"))
    for dialect in installed().values():
        assert f"{dialect.name}: {dialect.looks_for}" in str(error.value)


@pytest.mark.parametrize(
    "names",
    [
        ("istio_requests_total", "istio_request_duration_seconds_bucket"),
        ("istio_requests_total", "istio_request_duration_seconds_count"),
        ("istio_request_count",),
    ],
)
def test_mixers_metrics_are_refused_not_silently_empty(names: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError, match=r"Istio 1\.4 or older"):
        found(named(*names))


def test_another_mesh_beside_mixer_can_still_be_read() -> None:
    both = [*named("istio_requests_total", "istio_request_duration_seconds_count"), *mesh_series.linkerd()]
    with pytest.raises(ParameterError, match='set mesh = "linkerd" to read that one only'):
        found(both)
    assert found(both, mesh="linkerd") == ["Linkerd"]


def test_old_series_beside_new_ones_do_not_matter() -> None:
    assert found(named("istio_request_duration_seconds_count"), canary()) == ["Istio"]


def test_a_mesh_that_is_not_known_or_not_there_is_refused() -> None:
    with pytest.raises(ParameterError, match="mesh 'isto' is not known; did you mean istio"):
        found(canary(), mesh="isto")
    with pytest.raises(ParameterError, match="looked for Linkerd"):
        found(canary(), mesh="linkerd")


def test_forced_matchers_stand_in_every_query() -> None:
    both = [*canary(cluster="east"), *canary(cluster="west", service="cart")]
    options = MeshOptions(forced=(equal("cluster", "east"),))
    mesh = Mesh.detect(engine(both), "a test", options=options)
    assert set(mesh.services(mesh.window()).frame["destination_service"]) == {"catalog"}
    assert all('cluster="east"' in selector for selector in mesh.recorded)
    with pytest.raises(ParameterError, match="no metrics of a mesh"):
        found(both, forced=(equal("cluster", "north"),))


def test_only_the_metrics_that_a_side_has_are_read() -> None:
    outbound = [s for s in mesh_series.linkerd() if s[0].get("direction") == "outbound"]
    inbound = [s for s in mesh_series.routes() if s[0]["__name__"].startswith("inbound")]
    mesh = Mesh.detect(engine(outbound, inbound), "a test")
    names = {r: [f.requests for f in mesh.dialect.families(r)] for r in Reporter}
    assert names == {Reporter.SOURCE: ["response_total"], Reporter.DESTINATION: ["inbound_http_statuses_total"]}


def test_other_names_of_metrics_and_labels() -> None:
    def renamed(series: Series) -> Series:
        who = dict(series[0])
        metrics = {
            "istio_requests_total": "workload:requests",
            "istio_request_duration_milliseconds_bucket": "workload:ms",
        }
        who["__name__"] = metrics[who["__name__"]]
        who["ver"] = who.pop("destination_version")
        return who, series[1], series[2]

    options = MeshOptions(
        metrics={"requests": "workload:requests", "durations": "workload:ms"}, labels={"destination_version": "ver"}
    )
    mesh = Mesh.detect(engine([renamed(s) for s in canary()]), "a test", options=options)
    window = mesh.window()
    for reporter in Reporter:
        frame = mesh.request_counts(window, ["destination_version"], reporter=reporter, block_ms=15_000).frame
        assert frame.groupby("destination_version")["count"].sum().to_dict() == {"v1": 31 * 60, "v2": 11 * 60}
    assert len(mesh.latency_buckets(window, [], reporter=Reporter.DESTINATION, block_ms=15_000).frame)
    assert "workload:requests" in mesh.recorded
    for bad in (MeshOptions(replica_label="a) (b"), MeshOptions(labels={"code": "a, b"})):
        with pytest.raises(ParameterError, match="is no label name"):
            Mesh.detect(engine(canary()), "a test", options=bad)
    for wrong in (MeshOptions(metrics={"request": "x"}), MeshOptions(labels={"destination_versoin": "x"})):
        with pytest.raises(ParameterError, match=r"did you mean (requests|destination_version)"):
            Mesh.detect(engine(canary()), "a test", options=wrong)


def test_a_recording_rule_that_lost_the_reporter_can_be_read() -> None:
    def summed(series: Series) -> Series:
        who = {k: v for k, v in series[0].items() if k not in {"reporter", "pod"}}
        return {**who, "__name__": "mesh:requests"}, series[1], series[2]

    one_side = [summed(s) for s in mesh_series.istio("source") if s[0]["__name__"] == "istio_requests_total"]
    options = MeshOptions(metrics={"requests": "mesh:requests"}, labels={"reporter": ""}, mesh="istio")
    mesh = Mesh.detect(engine(one_side), "a test", options=options)
    frame = mesh.request_counts(mesh.window(), ["code"], reporter=Reporter.SOURCE, block_ms=15_000).frame
    assert frame.groupby("code")["count"].sum().to_dict() == {"200": 40 * 60, "500": 2 * 60}
