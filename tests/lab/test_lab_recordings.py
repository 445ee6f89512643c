"""The recordings that are committed: each is whole, small, true to its scenario, and its books balance."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stored import read_folder

from meshlab.lab.documents import bundled
from meshlab.lab.scenario import Scenario
from meshlab.lab.truth import scenario_truth
from meshlab.questions.scaling.hpa import Pod, Sample, Tolerance, average_replicas
from meshlab.telemetry.source import open_engine

DATA = Path(__file__).parents[2] / "data"
RECORDED = sorted(folder.name for folder in DATA.iterdir() if (folder / "manifest.json").is_file())
# Of the lab's first days: their truth says less.
FIRST = ("canary-healthy", "canary-regression")


def truth(name: str) -> dict[str, Any]:
    manifest = json.loads((DATA / name / "manifest.json").read_text(encoding="utf-8"))
    return dict(manifest["truth"])


def test_every_recording_has_a_scenario() -> None:
    assert set(RECORDED) <= set(bundled())


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_is_whole_and_small(name: str) -> None:
    # Reads everything; checksums are verified on the way.
    assert len(read_folder(DATA / name).series) > 100
    assert sum(path.stat().st_size for path in (DATA / name).iterdir()) < 3_000_000


def test_all_recordings_together_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 40_000_000


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in FIRST])
def test_a_recording_is_of_its_scenario_as_it_is(name: str) -> None:
    told, scenario = truth(name), Scenario.named(name)
    wanted = scenario_truth(scenario, scenario.seed, math.ceil(scenario.duration_s))
    assert {key: told.get(key) for key in wanted} == json.loads(json.dumps(wanted))


@pytest.mark.parametrize("name", RECORDED)
def test_its_books_balance_and_its_machine_kept_up(name: str) -> None:
    told = truth(name)
    assert told["balance"]["equal"]
    assert told["event_loop_lag_ms"]["forced"] is False


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in FIRST])
def test_every_change_was_made_in_time(name: str) -> None:
    told, scenario = truth(name), Scenario.named(name)
    assert [change["planned_s"] for change in told["changes"]] == list(scenario.moments)
    for change in told["changes"]:
        assert 0 <= change["applied_s"] - change["planned_s"] < 1
        assert 0 <= change["settled_s"] - change["applied_s"] < 2
    assert told["memory_mb"]["sum"] < 2000


class Recorded:
    """A recording, asked in seconds from its window's begin."""

    def __init__(self, name: str) -> None:
        self.truth = truth(name)
        self._engine = open_engine(str(DATA / name))
        self._start = datetime.fromtimestamp(self.truth["window"]["start_s"], UTC)

    def value(self, promql: str, at_s: float) -> float:
        """The sum of an expression's samples at a moment; NaN where there is none."""
        found = self._engine.query(promql, self._start + timedelta(seconds=at_s)).value
        return float(found.sum()) if len(found) else math.nan

    def rise(self, selector: str, begin_s: float, end_s: float) -> float:
        """How much counters rose."""
        return self.value(f"sum(increase({selector}[{round(end_s - begin_s)}s]))", end_s)

    def goodput(self, begin_s: int, end_s: int) -> float:
        """Share of the requests sent in these seconds that the client got a good answer to."""
        seen = self.truth["load_by_second"]
        return sum(seen["answered"]["2xx"][begin_s:end_s]) / sum(seen["sent"][begin_s:end_s])


def arrivals(workload: str, **labels: str) -> str:
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'istio_requests_total{{reporter="destination",destination_workload="{workload}"{more}}}'


def test_a_storm_stays_when_its_cause_is_gone_and_ends_with_the_retries() -> None:
    storm = Recorded("retry-storm")
    attempts = storm.rise(arrivals("ledger"), 100, 260) / storm.rise(arrivals("ingress"), 100, 260)
    assert attempts > 15
    assert storm.goodput(0, 60) > 0.98
    assert storm.goodput(150, 265) < 0.1
    assert storm.goodput(300, 350) > 0.95


def test_the_same_trigger_with_a_budget_is_over_in_half_a_minute() -> None:
    budget = Recorded("retry-budget")
    assert budget.goodput(70, 90) < 0.2
    assert budget.goodput(120, 350) > 0.95
    assert budget.rise('envoy_cluster_upstream_rq_retry_overflow{pod=~".*"}', 60, 100) > 20
    assert budget.rise(arrivals("ledger"), 150, 350) / budget.rise(arrivals("ingress"), 150, 350) < 1.1


def test_overload_is_no_storm() -> None:
    overload = Recorded("overload")
    assert overload.rise("envoy_cluster_upstream_rq_retry", 60, 350) == 0
    assert overload.goodput(150, 180) < 0.5
    assert overload.goodput(220, 350) > 0.95


def test_a_migration_shows_plain_text_unknown_callers_and_denials() -> None:
    mesh = Recorded("mtls-migration")
    plain_text = 'istio_requests_total{reporter="destination",connection_security_policy="none",%s}'
    cart = plain_text % 'destination_workload="inventory",source_workload="cart"'
    legacy = plain_text % 'destination_workload="inventory",source_workload="unknown"'
    assert mesh.rise(cart, 0, 170) > 3000
    assert not mesh.rise(cart, 200, 350) > 0
    assert mesh.rise(legacy, 0, 260) > 500
    assert not mesh.rise(legacy, 290, 350) > 0
    assert mesh.rise('envoy_listener_no_filter_chain_match{pod=~"inventory.*"}', 260, 350) > 100
    assert mesh.rise('envoy_http_rbac_denied{pod=~"payments.*"}', 0, 350) > 500
    assert mesh.rise('envoy_http_rbac_shadow_denied{pod=~"inventory.*"}', 0, 170) > 3000
    assert mesh.rise(arrivals("payments", response_code="403", source_workload="batch"), 0, 350) > 500


def test_one_certificate_runs_out() -> None:
    mesh = Recorded("cert-rotation")
    end = 'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="default"%s}'
    left = f"min by (pod) ({end}) - time()"
    assert mesh.value(left % ',pod="cart-0"', 80) > 0
    assert mesh.value(left % ',pod="cart-0"', 350) < -60
    assert mesh.value(f"count({left % ''} > 0)", 350) == 11


def test_west_takes_over_and_gives_back() -> None:
    mesh = Recorded("cluster-failover")
    west = arrivals("catalog-v1", destination_cluster="west")
    assert not mesh.rise(west, 0, 110) > 0
    assert mesh.rise(west, 150, 230) > 0.9 * mesh.rise(arrivals("storefront"), 150, 230)
    assert not mesh.rise(west, 290, 350) > 30
    assert mesh.goodput(0, 110) > 0.99
    assert mesh.goodput(150, 230) > 0.9


def test_a_mirror_is_counted_where_it_arrives_alone() -> None:
    mesh = Recorded("dark-launch")
    v1, v2 = (mesh.rise(arrivals(f"catalog-{version}"), 0, 350) for version in ("v1", "v2"))
    assert v2 == pytest.approx(v1, rel=0.01)
    source = 'istio_requests_total{reporter="source",source_workload="storefront",destination_workload="catalog-v2"}'
    assert not mesh.rise(source, 0, 350) > 0
    assert mesh.goodput(0, 350) == pytest.approx(0.99, abs=0.004), "what the mirror fails, nobody feels"


def test_only_the_tail_is_worse() -> None:
    mesh = Recorded("canary-latency")
    above = (
        '1 - sum(increase(istio_request_duration_milliseconds_bucket{reporter="destination",'
        'destination_workload="catalog-%s",le="%s"}[350s]))'
        ' / sum(increase(istio_request_duration_milliseconds_count{reporter="destination",'
        'destination_workload="catalog-%s"}[350s]))'
    )
    medians = [mesh.value(above % (version, "25", version), 350) for version in ("v1", "v2")]
    tails = [mesh.value(above % (version, "100", version), 350) for version in ("v1", "v2")]
    assert medians[1] == pytest.approx(medians[0], abs=0.06)
    assert tails[1] > 5 * tails[0]


@pytest.mark.parametrize(("name", "workload"), [("scale-out", "catalog-v1"), ("scale-flapping", "catalog-v1")])
def test_an_autoscaler_did_what_the_algorithm_says(name: str, workload: str) -> None:
    told = truth(name)
    spec = told["autoscaler_specs"][workload]
    ticks = told["autoscalers"][workload]
    assert len(ticks) >= 40
    for tick in ticks:
        if tick["current"] == tick["ready"] and tick["seen"] is not None:
            pods = [Pod(str(number)) for number in range(tick["current"])]
            samples = {pod.name: Sample(round(1000 * tick["seen"])) for pod in pods}
            wanted = average_replicas(len(pods), pods, samples, round(1000 * spec["target"]), Tolerance())
            assert abs(wanted - tick["recommended"]) <= (0 if abs(tick["seen"] / spec["target"] - 1) > 0.11 else 1)
    largest = max(tick["desired"] for tick in ticks)
    assert largest >= 3


def test_flapping_is_flapping() -> None:
    desired = [tick["desired"] for tick in truth("scale-flapping")["autoscalers"]["catalog-v1"]]
    moves = [after - before for before, after in itertools.pairwise(desired) if after != before]
    assert sum(a * b < 0 for a, b in itertools.pairwise(moves)) >= 6
