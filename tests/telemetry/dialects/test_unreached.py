"""Requests that reached no pod belong to the service that they were addressed to, however one asks."""

from __future__ import annotations

import mesh_series
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_series import HOST, Series, canary, engine, lost

from meshlab.core.subject import IDENTITY, Subject
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.unreached import Category, Hosts
from meshlab.telemetry.mesh import Mesh

CATALOG = Subject("east", "shop", "catalog")
BY = (*IDENTITY, "destination_version", "destination_revision", "category", "code", "flags")


def mesh(*series: Series, also: object = (), **options: object) -> Mesh:
    return Mesh.detect(engine(canary(), also, series), "a test", options=MeshOptions(**options))  # type: ignore[arg-type]


def counts(m: Mesh, where: object = (), by: tuple[str, ...] = BY) -> pd.DataFrame:
    found = m.request_counts(m.window(), by, where, reporter="source", block_ms=15_000)  # type: ignore[arg-type]
    return found.totals().drop(columns=["first", "last"])


def test_they_are_found_alone_and_among_all_and_by_totals() -> None:
    m = mesh(lost())
    assert m.find("catalog", m.window()) == CATALOG
    alone, every = counts(m, m.where(CATALOG)), counts(m)
    pd.testing.assert_frame_equal(alone, every[CATALOG.mask(every)].reset_index(drop=True))
    unreached = alone[alone["category"] == "unreached"]
    assert unreached[["destination_version", "destination_revision", "flags", "count"]].to_numpy().tolist() == [
        ["", "", "UH", 120]
    ]
    totals = m.totals(m.window(), ("destination_service", "category")).frame
    assert {*totals["destination_service"]} == {"catalog"}
    assert {*totals["category"]} == {"", "unreached"}
    assert not m.request_counts(m.window(), BY, reporter="destination", block_ms=15_000).labels["category"].any()


def test_one_can_ask_for_those_that_reached_a_pod() -> None:
    m = mesh(lost())
    reached = counts(m, [*m.where(CATALOG), Condition("category", ("",))], ("code",))
    assert reached.set_index("code")["count"].to_dict() == {"200": 40 * 60, "500": 2 * 60}


@pytest.mark.parametrize(
    ("host", "more", "place"),
    [
        # Other requests to the host tell.
        (HOST, {}, ("east", "shop", "catalog")),
        (f"{HOST}:8080", {}, ("east", "shop", "catalog")),
        # A Kubernetes host's own name does; of its cluster only the caller's is known.
        ("cart.shop.svc.cluster.local", {"source_cluster": "west"}, ("west", "shop", "cart")),
        ("cart.shop.svc", {"source_cluster": "unknown"}, ("", "shop", "cart")),
    ],
)
def test_whose_they_are(host: str, more: dict[str, str], place: tuple[str, ...]) -> None:
    rows = counts(mesh(lost(host, **more)))
    mine = rows[rows["category"] == "unreached"]
    assert mine[[*IDENTITY]].to_numpy().tolist() == [list(place)]


def test_a_service_of_several_clusters_fails_in_the_callers() -> None:
    m = mesh(lost(source_cluster="west"), also=canary(destination_cluster="west"))
    rows = counts(m)
    assert rows.loc[rows["category"] == "unreached", "destination_cluster"].tolist() == ["west"]


def test_of_several_services_behind_a_host_the_one_of_its_name() -> None:
    known = pd.DataFrame(
        [("", "shop", name, HOST, f"{name}-v1") for name in ("a-catalog", "catalog")],
        columns=[*IDENTITY, "destination_host", "destination_workload"],
    )
    assert Hosts.of(known).place(HOST) == ("shop", "catalog")
    assert Hosts.of(known[:1]).place(HOST) == ("shop", "a-catalog")
    assert Hosts.of(known).place("api.example.com") is None


def test_a_service_that_no_request_reached_is_one() -> None:
    m = mesh(lost("cart.shop.svc.cluster.local", source_cluster="east"))
    assert m.find("cart", m.window()) == Subject("east", "shop", "cart")


@pytest.mark.parametrize(
    ("host", "name", "category"),
    [
        ("api.example.com", "PassthroughCluster", Category.PASSTHROUGH),
        # A host's name does not bring it into the mesh.
        (HOST, "PassthroughCluster", Category.PASSTHROUGH),
        ("api.example.com", "BlackHoleCluster", Category.BLACKHOLE),
        ("%22%3E%3Cscript%3E", "unknown", Category.UNNAMED),
        ("unknown", "unknown", Category.UNNAMED),
    ],
)
def test_what_is_nobodys_is_a_category(host: str, name: str, category: Category) -> None:
    m = mesh(lost(host, destination_service_name=name))
    rows = counts(m)
    nameless = rows[rows["destination_service"] == ""]
    assert nameless[["category", "count"]].to_numpy().tolist() == [[category.value, 120]]
    assert counts(m, m.where(CATALOG))["count"].sum() == 42 * 60


def test_where_the_profile_reads_another_label() -> None:
    more = {"destination_service_name": "catalog"}
    m = mesh(lost(**more), also=canary(**more), labels={"destination_service": "destination_service_name"})
    rows = counts(m)
    assert rows.loc[rows["category"] == "unreached", [*IDENTITY]].to_numpy().tolist() == [["east", "shop", "catalog"]]


def test_an_unreached_request_is_no_second_report_of_the_waypoints() -> None:
    waypoint = [({**who, "reporter": "waypoint"}, t, v) for who, t, v in canary() if who["reporter"] == "source"]
    # The caller's proxy did not reach the waypoint, which so knows nothing of it.
    rows = counts(mesh(lost(), also=waypoint), (), ("category",))
    assert rows.set_index("category")["count"].to_dict() == {"": 42 * 60, "unreached": 120}


def test_their_durations_do_not_make_a_service_measurable() -> None:
    who, at, value = lost("cart.shop.svc.cluster.local")
    slow = {**who, "__name__": "istio_request_duration_milliseconds_bucket", "le": "+Inf"}, at, value
    m = mesh((who, at, value), slow)
    measured = {key for view in m.views for key in view.with_durations(IDENTITY, m.window())}
    assert measured == {("east", "shop", "catalog")}


def test_linkerd_knows_the_authority() -> None:
    both = list(mesh_series.linkerd())
    who, at, value = next(s for s in both if s[0]["direction"] == "outbound" and s[0]["__name__"] == "response_total")
    gone = {k: v for k, v in who.items() if not k.startswith("dst_") and k != "status_code"}
    m = Mesh.detect(engine(both, [({**gone, "classification": "failure"}, at, value)]), "a test")
    rows = counts(m, m.where(m.find("catalog", m.window())), ("category", "code"))
    assert set(rows["category"]) == {"", "unreached"}


def test_plain_envoys_clusters_for_the_outside_are_no_services() -> None:
    outside = [
        ({**who, "envoy_cluster_name": "PassthroughCluster"}, t, v) for who, t, v in mesh_series.envoy({"v1": (9, 1)})
    ]
    m = Mesh.detect(engine(mesh_series.envoy(), outside), "a test")
    table = m.totals(m.window(), ("destination_service", "category")).frame
    assert "PassthroughCluster" not in {*table["destination_service"]}
    assert {*table.loc[table["destination_service"] == "", "category"]} == {"passthrough"}


PLACES = st.sampled_from(
    [HOST, "cart.shop.svc.cluster.local", "cart.pay.svc.cluster.local", "api.example.com", "unknown"]
)
ROWS = st.lists(st.tuples(PLACES, st.sampled_from(["east", "west", ""]), st.integers(1, 9)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_narrowing_changes_nothing(rows: list[tuple[str, str, int]], random: object) -> None:
    series = [
        lost(host, step, source_cluster=cluster, source_workload=f"caller{at}")
        for at, (host, cluster, step) in enumerate(rows)
    ]
    series += list(canary({"v1": (3, 1)}, destination_cluster="west"))
    random.shuffle(series)  # type: ignore[attr-defined]
    m = mesh(*series)
    every = counts(m)
    for place in every[[*IDENTITY]].drop_duplicates().itertuples(index=False, name=None):
        subject = Subject(*place)
        if subject.service:
            alone = counts(m, m.where(subject))
            pd.testing.assert_frame_equal(alone, every[subject.mask(every)].reset_index(drop=True))
    space = counts(m, [Condition("destination_namespace", ("shop",))])
    shop = every[every["destination_namespace"] == "shop"].reset_index(drop=True)
    pd.testing.assert_frame_equal(space, shop)
    assert every["count"].sum() == 60 * (42 + 4 + sum(step for _, _, step in rows))
