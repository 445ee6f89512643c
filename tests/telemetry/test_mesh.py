"""The mesh's frames, from raw series with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from istio_series import START, canary, engine, labels, times

from meshlab.core.subject import Subject
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Mesh

CATALOG = Subject("east", "shop", "catalog")
BLOCK = 15_000


def mesh(*more: object) -> Mesh:
    return Mesh.detect(engine(canary(), *more), "a test")  # type: ignore[arg-type]


def test_counts_are_exact_integers_per_block() -> None:
    m = mesh()
    window = m.window()
    frame = m.request_counts(window, ["destination_version", "code"], reporter=Reporter.SOURCE, block_ms=BLOCK).frame
    assert frame["count"].dtype == np.int64
    v1 = frame[(frame["destination_version"] == "v1") & (frame["code"] == "200")]
    assert v1["block"].tolist() == list(range(20))
    assert set(v1["count"]) == {90}
    assert str(v1["time"].iloc[0]) == "2026-01-31 12:00:15+00:00"


@pytest.mark.parametrize("by", ["code", "destination_version", "destination_service", "tls", "flags"])
def test_the_sum_over_any_word_is_the_total(by: str) -> None:
    m = mesh(canary({"v7": (3, 2)}, service="cart"))
    window = m.window()
    frame = m.request_counts(window, [by], reporter=Reporter.DESTINATION, block_ms=BLOCK).frame
    total = m.request_counts(window, ["reporter"], reporter=Reporter.DESTINATION, block_ms=BLOCK).frame
    assert frame["count"].sum() == total["count"].sum() == 60 * (31 + 11 + 5)


def test_a_code_that_appears_late_is_counted_from_its_first_event() -> None:
    late = labels("istio_requests_total", version="v2", reporter="source", code="503")
    m = mesh([(late, times()[30:], 4 + np.zeros(31))])
    frame = m.request_counts(m.window(), ["code"], reporter=Reporter.SOURCE, block_ms=BLOCK).frame
    assert frame.loc[frame["code"] == "503", "count"].sum() == 4


def test_a_reset_loses_nothing_and_a_gap_has_no_row() -> None:
    at = np.r_[times()[:20], times()[40:]]
    value = np.r_[100 + 7 * np.arange(20), 7 * np.arange(1, 22)]
    only = [(labels("istio_requests_total", version="v9", reporter="source"), at, value)]
    m = Mesh.detect(engine(only), "a test")
    frame = m.request_counts(m.window(), ["destination_version"], reporter=Reporter.SOURCE, block_ms=BLOCK).frame
    assert frame["count"].sum() == 7 * 19 + 7 * 21
    assert not {7, 8, 9, 10, 11, 12} & set(frame["block"]), "nothing was scraped from 12:01:40 to 12:03:15"


def test_buckets_are_numbers_whatever_their_text() -> None:
    other = [(dict(w, le="5.0") if w.get("le") == "5" else w, t, v) for w, t, v in canary({"v3": (8, 0)})]
    m = mesh(other)
    frame = m.latency_buckets(m.window(), ["destination_version"], reporter=Reporter.DESTINATION, block_ms=BLOCK).frame
    assert sorted(set(frame["le"])) == [5.0, 10.0, 25.0, np.inf]
    last = frame[(frame["destination_version"] == "v3") & np.isinf(frame["le"])]
    assert last["count"].sum() == 8 * 60


def test_rates_and_totals() -> None:
    m = mesh()
    window = m.window(step="15s")
    rates = m.request_rates(window, ["destination_version"]).frame
    late = rates[rates["time"] >= "2026-01-31 12:02:00+00:00"]
    assert late.groupby("destination_version")["rate_per_s"].mean().round(6).to_dict() == {"v1": 6.2, "v2": 2.2}
    arms = m.arms(window, CATALOG).frame
    assert arms["destination_version"].tolist() == ["v1", "v2"]
    assert arms["requests"].iloc[0] == pytest.approx(31 * 60, rel=0.02)
    services = m.services(window).frame
    assert services["destination_service"].tolist() == ["catalog", "catalog"]


@pytest.mark.parametrize("name", ["catalog", "catalog.shop.svc.cluster.local", "catalog-v2"])
def test_a_service_is_found_by_name_host_or_workload(name: str) -> None:
    m = mesh()
    assert m.find(name, m.window()) == CATALOG


def test_unknown_and_ambiguous_names_are_refused_with_the_nearest() -> None:
    m = mesh(canary({"v1": (1, 0)}, destination_workload_namespace="staging"))
    window = m.window()
    with pytest.raises(ParameterError, match="did you mean catalog"):
        m.find("catalogue", window)
    with pytest.raises(ParameterError, match=r"ambiguous.*east/shop/catalog, east/staging/catalog"):
        m.find("catalog", window)
    assert m.find("catalog", window, "staging").namespace == "staging"
    with pytest.raises(ParameterError, match=r"namespace 'prod' was never seen.*shop, staging"):
        m.find("catalog", window, "prod")


def test_versions_are_those_ever_seen() -> None:
    m = mesh()
    assert m.combinations(CATALOG, m.window(start=str(START + 100), end=str(START + 160)), ["destination_version"])[
        "destination_version"
    ].tolist() == ["v1", "v2"]


def test_a_window_outside_the_data_is_refused() -> None:
    m = mesh()
    with pytest.raises(ParameterError, match="lies outside a test, which holds 2026-01-31T12:00:00Z"):
        m.window("2026-01-30T12:00:00Z", "2026-01-30T12:10:00Z")
    with pytest.raises(ParameterError, match="start 5 is no time"):
        m.window(5)


def test_a_store_without_a_mesh_is_refused() -> None:
    with pytest.raises(ParameterError, match="no metrics of a mesh that meshlab knows"):
        Mesh.detect(engine([({"__name__": "up", "job": "x"}, times(), np.ones(61))]), "a test")
