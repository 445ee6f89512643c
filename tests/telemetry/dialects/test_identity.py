"""A service by any of its names."""

from __future__ import annotations

import mesh_series
import pytest
from istio_series import canary, engine

from meshlab.core.subject import Subject
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.identity import forms
from meshlab.telemetry.mesh import Mesh

CATALOG = Subject("east", "shop", "catalog")


def mesh(*series: object) -> Mesh:
    return Mesh.detect(engine(*series), "a test")  # type: ignore[arg-type]


def find(m: Mesh, name: str, namespace: str = "") -> Subject:
    return m.find(name, m.window(), namespace)


@pytest.mark.parametrize(
    "name",
    ["catalog", "catalog-v2", "catalog.shop", "catalog.shop.svc", "catalog.shop.svc.cluster.local"],
)
def test_istios_names(name: str) -> None:
    assert find(mesh(canary(), canary({"v1": (1, 0)}, service="catalog2")), name) == CATALOG


@pytest.mark.parametrize("name", ["catalog", "catalog-v2", "catalog.shop", "catalog.shop.svc.cluster.local"])
def test_linkerds_names(name: str) -> None:
    m = mesh(mesh_series.linkerd(), mesh_series.linkerd({"v1": (1, 0)}, service="cart"))
    assert find(m, name) == Subject("", "shop", "catalog")


def test_a_workload_that_nobody_called_is_its_own_service() -> None:
    inbound = [s for s in mesh_series.linkerd(service="batch") if s[0].get("direction") == "inbound"]
    m = mesh(inbound, mesh_series.linkerd())
    assert find(m, "batch-v1") == Subject("", "shop", "batch-v1")


def test_a_host_of_several_services_is_one_subject() -> None:
    m = mesh(mesh_series.routes())
    subject = find(m, "catalog")
    assert subject == Subject("", "shop", "catalog", ("catalog-v1", "catalog-v2"))
    assert str(subject) == "-/shop/catalog"
    assert find(m, "catalog-v2") == Subject("", "shop", "catalog-v2")


def test_the_short_form_of_another_host_is_not_meant() -> None:
    outside = list(canary({"v1": (1, 0)}, service="api", destination_service="catalog.example.com"))
    assert find(mesh(canary(), outside), "catalog.example.com").service == "api"
    with pytest.raises(ParameterError, match="never seen"):
        find(mesh(outside), "catalog")


def test_a_service_of_two_clusters_is_ambiguous() -> None:
    m = mesh(canary(), canary(destination_cluster="west"))
    with pytest.raises(ParameterError, match=r"ambiguous.*east/shop/catalog, west/shop/catalog.*all of it: east/shop/"):
        find(m, "catalog")
    assert find(m, "west/shop/catalog") == Subject("west", "shop", "catalog")
    with pytest.raises(ParameterError, match=r"'north/shop/catalog' was never seen.*east/shop/catalog"):
        find(m, "north/shop/catalog")


def test_all_spellings_of_not_known_are_alike() -> None:
    m = mesh(*(canary({v: (9, 1)}, destination_cluster=c) for v, c in (("v1", "unknown"), ("v2", ""), ("v3", "-"))))
    subject = find(m, "catalog")
    assert subject == Subject("", "shop", "catalog")
    assert m.combinations(subject, m.window(), ["destination_version"])["destination_version"].tolist() == [
        "v1",
        "v2",
        "v3",
    ]
    assert m.arms(m.window(), subject).frame["destination_version"].tolist() == ["v1", "v2", "v3"]


def test_a_host_without_a_workload_in_the_mesh_is_said_to_be_one() -> None:
    words = {"destination_canonical_service": "unknown", "destination_workload": "unknown"}
    m = mesh(canary(), canary({"v1": (1, 0)}, destination_service="api.example.com", **words))
    with pytest.raises(ParameterError, match="no workload behind it is known"):
        find(m, "api.example.com")


def test_forms_of_a_host() -> None:
    every = {"catalog", "catalog.shop", "catalog.shop.svc", "catalog.shop.svc.cluster.local"}
    assert forms("catalog.shop.svc.cluster.local") == every
    assert forms("catalog.shop.svc.cluster.local:8080") == every
    assert forms("api.example.com:443") == {"api.example.com"}


def test_a_workload_that_was_called_without_a_service_has_both_sides() -> None:
    direct = [
        ({k: v for k, v in w.items() if k != "dst_service"}, t, s) for w, t, s in mesh_series.linkerd(service="db")
    ]
    m = mesh(direct, mesh_series.linkerd())
    both = mesh([s for s in direct if s[0]["direction"] == "outbound"], mesh_series.linkerd(service="db"))
    assert find(both, "db") == find(both, "db-v1") == Subject("", "shop", "db")
    subject = find(m, "db-v1")
    assert subject == Subject("", "shop", "db-v1")
    for reporter in Reporter:
        frame = m.request_counts(m.window(), ["code"], m.where(subject), reporter=reporter, block_ms=15_000).frame
        assert frame["count"].sum() == 31 * 60
    assert find(m, "catalog") == Subject("", "shop", "catalog")
