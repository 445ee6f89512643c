"""The lab for real: one short run, looked at from all sides, and a parent that is killed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from scipy.stats import binom

from meshlab.lab.lab import Lab, Run
from meshlab.lab.scenario import Scenario

pytestmark = pytest.mark.live

SETTINGS = ["scrape_interval_s=1", "warm_up_s=3", "load.rate_per_s=60"]
DURATION_S = 20

# So improbable that a failure is a bug: all bounds together go wrong by chance once in a million runs.
CHANCE = 1e-7


@dataclass(frozen=True)
class Seen:
    """What the lab answered while it lived."""

    run: Run
    series: list[dict[str, str]]
    canary_share_after_change: float
    histogram: dict[float, float]
    histogram_count: float
    first_counts: dict[str, float]
    process_ids: dict[str, int]
    folders_left: list[Path]


def query(lab: Lab, promql: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{lab.prometheus_url}/api/v1/query", params={"query": promql}, timeout=5)
    return list(answer.json()["data"]["result"])


def series(lab: Lab, selector: str) -> list[dict[str, str]]:
    answer = requests.get(f"{lab.prometheus_url}/api/v1/series", params={"match[]": selector}, timeout=5)
    return list(answer.json()["data"])


def arrivals_at_catalog(lab: Lab) -> dict[str, int]:
    edges = [edge for edge in lab.balance().edges if edge.destination_service == "catalog"]
    return {edge.destination_version: edge.destination_reporter for edge in edges}


def canary_share_after_change(lab: Lab) -> float:
    """Swap the weights in the running storefront, and see where new requests go."""
    before = arrivals_at_catalog(lab)
    lab.reach(Scenario.named("canary-regression", [*SETTINGS, "split.catalog.v1=10", "split.catalog.v2=90"]))
    lab.start_load()
    time.sleep(3)
    lab.stop_load()
    new = {version: count - before[version] for version, count in arrivals_at_catalog(lab).items()}
    return new["v2"] / sum(new.values())


@pytest.fixture(scope="module")
def seen(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("lab")
        patch.setattr("tempfile.tempdir", str(home))
        out = tmp_path_factory.mktemp("recordings") / "regression"
        with Lab(Scenario.named("canary-regression", SETTINGS)) as lab:
            first = query(lab, 'sum by (pod) (up{job="envoy-stats"})')
            run = lab.run(duration_s=DURATION_S, record=out, command="meshlab lab run canary-regression")
            buckets = query(lab, 'sum by (le) (istio_request_duration_milliseconds_bucket{reporter="source"})')
            total = query(lab, 'sum(istio_request_duration_milliseconds_count{reporter="source"})')
            found = series(lab, '{__name__=~"istio_requests_total|istio_re.*_bytes_sum|envoy_.*|kube_.*|container_.*"}')
            ids = lab.process_ids
            share = canary_share_after_change(lab)
        left = list(home.iterdir())
    return Seen(
        run=run,
        series=found,
        canary_share_after_change=share,
        histogram={float(one["metric"]["le"]): float(one["value"][1]) for one in buckets},
        histogram_count=float(total[0]["value"][1]),
        first_counts={result["metric"]["pod"]: float(result["value"][1]) for result in first},
        process_ids=ids,
        folders_left=left,
    )


def istio(seen: Seen, **labels: str) -> list[dict[str, str]]:
    found = [labels_ for labels_ in seen.series if labels_["__name__"] == "istio_requests_total"]
    return [one for one in found if all(one.get(name) == value for name, value in labels.items())]


def within(count: int, of: int, share: float) -> bool:
    """Whether a count is no surprise, if it is binomial with this share."""
    return bool(binom.ppf(CHANCE, of, share) <= count <= binom.isf(CHANCE, of, share))


def test_every_sidecar_is_scraped_before_the_load(seen: Seen) -> None:
    assert seen.first_counts == dict.fromkeys(("ingress-0", "storefront-0", "catalog-v1-0", "catalog-v2-0"), 1.0)


def test_both_reporters_see_every_edge(seen: Seen) -> None:
    edges = {(one["reporter"], one["source_workload"], one["destination_workload"]) for one in istio(seen)}
    calls = [("ingress", "storefront"), ("storefront", "catalog-v1"), ("storefront", "catalog-v2")]
    both = {(reporter, *call) for reporter in ("source", "destination") for call in calls}
    assert edges == both | {("destination", "unknown", "ingress")}


def test_labels_are_istios_on_both_sides(seen: Seen) -> None:
    identity = {
        "source_workload_namespace": "shop",
        "source_principal": "spiffe://cluster.local/ns/shop/sa/storefront",
        "source_app": "storefront",
        "source_version": "v1",
        "source_cluster": "Kubernetes",
        "source_canonical_service": "storefront",
        "source_canonical_revision": "v1",
        "destination_workload_namespace": "shop",
        "destination_principal": "spiffe://cluster.local/ns/shop/sa/catalog",
        "destination_app": "catalog",
        "destination_version": "v2",
        "destination_cluster": "Kubernetes",
        "destination_service": "catalog.shop.svc.cluster.local",
        "destination_service_name": "catalog",
        "destination_service_namespace": "shop",
        "destination_canonical_service": "catalog",
        "destination_canonical_revision": "v2",
        "request_protocol": "http",
        "response_flags": "-",
        "job": "envoy-stats",
        "namespace": "shop",
    }
    for reporter, policy, pod in (("source", "unknown", "storefront-0"), ("destination", "mutual_tls", "catalog-v2-0")):
        (one,) = istio(seen, reporter=reporter, destination_workload="catalog-v2", response_code="200")
        assert {name: one[name] for name in identity} == identity
        assert (one["connection_security_policy"], one["pod"]) == (policy, pod)
        assert one["instance"].startswith("127.")
        assert "grpc_response_status" not in one


def test_the_load_comes_from_nowhere_in_plain_text(seen: Seen) -> None:
    (one,) = istio(seen, destination_workload="ingress", response_code="200")
    assert one["source_principal"] == one["source_app"] == one["destination_principal"] == "unknown"
    assert one["source_canonical_revision"] == "latest"
    assert one["connection_security_policy"] == "none"


def test_envoys_own_counters_are_there_and_few(seen: Seen) -> None:
    names = {one["__name__"] for one in seen.series}
    assert {
        "istio_request_bytes_sum",
        "istio_response_bytes_sum",
        "envoy_listener_ssl_versions",
        "envoy_listener_ssl_certificate_expiration_unix_time_seconds",
        "envoy_http_rbac_denied",
        "envoy_http_rbac_shadow_denied",
        "kube_pod_status_ready_time",
        "container_cpu_usage_seconds_total",
        "envoy_cluster_upstream_rq_total",
        "envoy_cluster_upstream_rq_retry",
        "envoy_cluster_upstream_rq_pending_overflow",
        "envoy_cluster_membership_healthy",
    } <= names
    assert len(seen.series) < 1000
    clusters = {one["cluster_name"] for one in seen.series if one["__name__"] == "envoy_cluster_upstream_rq_total"}
    assert "outbound|80|v2|catalog.shop.svc.cluster.local" in clusters


def test_histograms_are_whole(seen: Seen) -> None:
    assert seen.histogram[math.inf] == seen.histogram_count > 0
    assert 0 < seen.histogram[50] < seen.histogram[100] < seen.histogram[math.inf]


def test_the_split_and_the_errors_are_as_set(seen: Seen) -> None:
    edges = seen.run.truth["balance"]["edges"]
    v1, v2 = (one["source_reporter"] for one in edges if one["destination_service"] == "catalog")
    assert within(v2, v1 + v2, 0.25)
    answered = seen.run.truth["counts"]["life"]["answered"]
    assert within(answered["500"], v1 + v2, (0.01 * v1 + 0.03 * v2) / (v1 + v2))
    assert set(answered) == {"200", "500"}
    sent = seen.run.truth["counts"]["window"]["sent"]
    assert abs(sent - 60 * DURATION_S) < 6 * (60 * DURATION_S) ** 0.5


def test_weights_change_in_a_running_mesh(seen: Seen) -> None:
    assert 0.7 < seen.canary_share_after_change < 1.0


def test_the_books_balance(seen: Seen) -> None:
    balance = seen.run.truth["balance"]
    assert balance["equal"]
    assert balance["sent_by_load"] == balance["counted_by_target"] == seen.run.truth["counts"]["life"]["sent"]


def test_truth_tells_what_was_set_and_how_the_machine_did(seen: Seen) -> None:
    truth = seen.run.truth
    assert truth["workloads"]["catalog-v2"]["error_share"] == 0.03
    assert truth["workloads"]["catalog-v2"]["latency_factor"] == 1.3
    assert truth["weights"] == {"catalog": {"v1": 75, "v2": 25}}
    assert truth["window"]["end_s"] - truth["window"]["start_s"] == DURATION_S
    pods = {"ingress-0", "storefront-0", "catalog-v1-0", "catalog-v2-0"}
    assert set(truth["event_loop_lag_ms"]["calm"]) == pods | {"load", "control-plane"}
    assert set(truth["workers"]) == pods
    assert sum(truth["load_by_second"]["sent"]) >= truth["counts"]["window"]["sent"] > 0
    assert 0 < truth["memory_mb"]["sum"] < 2000
    assert truth["event_loop_lag_ms"]["forced"] is False
    assert set(truth["cores_used"]) == set(seen.process_ids)


def test_the_recording_holds_the_truth(seen: Seen) -> None:
    assert seen.run.recording is not None
    manifest = json.loads((seen.run.recording / "manifest.json").read_text())
    assert manifest["truth"] == json.loads(json.dumps(seen.run.truth))
    text = json.dumps(manifest)
    assert "/tmp" not in text
    assert str(Path(__file__).parents[2]) not in text


def test_nothing_is_left(seen: Seen) -> None:
    assert len(seen.process_ids) == 11
    assert not [name for name, pid in seen.process_ids.items() if psutil.pid_exists(pid)]
    assert seen.folders_left == []


def test_a_killed_parent_leaves_no_process(prometheus_binary: str, tmp_path: Path) -> None:
    script = (
        "import sys, tempfile, time\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "from meshlab.lab.lab import Lab\n"
        "from meshlab.lab.scenario import Scenario\n"
        "with Lab(Scenario.named('canary-healthy', ['scrape_interval_s=1'])) as lab:\n"
        "    lab.start_load()\n"
        "    print('running', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "running\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        os.kill(parent.pid, signal.SIGKILL)
    assert len(children) == 11
    _, alive = psutil.wait_procs(children, timeout=3)
    assert [child.pid for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
