"""A running mesh is changed, and real Envoys do what they were told: policies, replicas, deaths, certificates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from meshlab.lab.addresses import ADMIN_PORT, INBOUND_PORT
from meshlab.lab.lab import Lab
from meshlab.lab.scenario import Scenario
from meshlab.lab.topology import Replica

pytestmark = pytest.mark.live

MESH = """
description = "front calls back, which stands in two clusters and has a second version"
duration_s = 60
namespace = "shop"
scrape_interval_s = 1
clusters = ["east", "west"]
load = { target = "front", rate_per_s = 40 }
workloads.front = { service = "front", version = "v1", calls = ["back"] }
workloads.back-v1 = { service = "back", version = "v1", clusters = ["east", "west"] }
workloads.back-v2 = { service = "back", version = "v2" }
workloads.legacy = { service = "legacy", version = "v1", sidecar = false, calls = ["back"] }
split.back = { v1 = 100, v2 = 0 }

# What the tests set later; here so that there are addresses for it.
[[event]]
at_s = 1000
what = "a second replica"
set = { "workloads.back-v2.replicas" = 2 }
"""


@pytest.fixture(scope="module")
def lab(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("lab")))
        with Lab(Scenario.parse("changes", MESH)) as running:
            yield running


@pytest.fixture(autouse=True)
def unchanged(lab: Lab) -> Iterator[None]:
    yield
    lab.reach(lab.scenario)


def change(lab: Lab, *settings: str) -> None:
    lab.reach(Scenario.parse("changes", MESH, settings))


def replica(lab: Lab, pod: str) -> Replica:
    return next(one for one in lab.topology.replicas if one.pod == pod)


def ask(lab: Lab, pod: str = "front-0", times: int = 1) -> list[int]:
    """Call a replica's inbound side in plaintext; the statuses, 0 where nobody answers."""
    found = []
    for _ in range(times):
        try:
            url = f"http://{replica(lab, pod).address}:{INBOUND_PORT}/"
            found.append(requests.get(url, timeout=5).status_code)
        except requests.ConnectionError:
            found.append(0)
    return found


def stats(lab: Lab, pod: str, of: str) -> dict[str, int]:
    """A sidecar's counters whose names hold a text."""
    url = f"http://{replica(lab, pod).address}:{ADMIN_PORT}/stats"
    lines = requests.get(url, params={"filter": of}, timeout=5).text.splitlines()
    pairs = (line.rsplit(": ", 1) for line in lines)
    return {name: int(value) for name, value in pairs if value.lstrip("-").isdigit()}


def counted(lab: Lab, pod: str, of: str) -> int:
    return sum(stats(lab, pod, of).values())


def certificates(lab: Lab, pod: str) -> set[str]:
    found: dict[str, Any] = requests.get(f"http://{replica(lab, pod).address}:{ADMIN_PORT}/certs", timeout=5).json()
    return {chain["serial_number"] for one in found["certificates"] for chain in one["cert_chain"]}


def test_retries_come_and_go_on_a_running_mesh(lab: Lab) -> None:
    broken = "workloads.back-v1.error_share=1.0"
    change(lab, broken)
    before = counted(lab, "front-0", "upstream_rq_retry$")
    assert ask(lab) == [500]
    assert counted(lab, "front-0", "upstream_rq_retry$") == before
    change(lab, broken, "traffic.back.retries={attempts=3, back_off_ms=1}")
    assert ask(lab) == [500]
    assert counted(lab, "front-0", "upstream_rq_retry$") == before + 3
    change(lab, broken)
    assert ask(lab) == [500]
    assert counted(lab, "front-0", "upstream_rq_retry$") == before + 3


def test_time_outs_and_faults_are_envoys_own(lab: Lab) -> None:
    change(lab, "workloads.back-v1.service_time_median_ms=400", "traffic.back.timeout_ms=100")
    assert ask(lab) == [504]
    change(lab, "traffic.back.fault={abort_percent=100, abort_status=418}")
    assert ask(lab) == [418]
    assert counted(lab, "front-0", "fault.aborts_injected") >= 1


def test_a_breaker_sheds_what_is_too_much(lab: Lab) -> None:
    change(lab, "workloads.back-v1.service_time_median_ms=300", "traffic.back.breaker={requests=1, pending=1}")
    lab.start_load()
    time.sleep(2)
    answered = lab.stop_load()["answered"]
    assert answered["503"] > answered.get("200", 0)
    # Over HTTP/2 it is the limit of active requests that overflows, which Envoy 1.40 counts apart.
    assert counted(lab, "front-0", "upstream_rq_active_overflow") == answered["503"]


def test_plain_text_is_refused_where_mtls_is_strict(lab: Lab) -> None:
    assert ask(lab, "back-v1-east-0") == [200]
    change(lab, "security.modes.back-v1=strict")
    before = counted(lab, "back-v1-east-0", "no_filter_chain_match")
    assert ask(lab, "back-v1-east-0") == [0]
    assert counted(lab, "back-v1-east-0", "no_filter_chain_match") == before + 1
    assert ask(lab) == [200]


def test_a_caller_may_speak_plain_text(lab: Lab) -> None:
    change(lab, 'traffic.back.plaintext_from=["front"]')
    assert ask(lab) == [200]
    change(lab, 'traffic.back.plaintext_from=["front"]', "security.modes.back-v1=strict")
    time.sleep(1.5)  # connections of a filter chain that is gone are drained for a second
    assert ask(lab) == [503]


def test_rules_deny_and_shadow_rules_only_count(lab: Lab) -> None:
    change(lab, 'security.authorization.back-v1.shadow=[{accounts=["legacy"]}]')
    assert ask(lab) == [200]
    assert counted(lab, "back-v1-east-0", "shadow_denied") >= 1
    change(lab, 'security.authorization.back-v1.allow=[{accounts=["legacy"]}]')
    assert ask(lab) == [403]
    change(lab, 'security.authorization.back-v1.allow=[{accounts=["front"]}]')
    assert ask(lab) == [200]
    assert ask(lab, "back-v1-east-0") == [403], "plaintext has no identity"


def test_a_mirror_gets_requests_and_its_answers_are_thrown_away(lab: Lab) -> None:
    change(lab, 'traffic.back.mirror={version="v2"}', "workloads.back-v2.error_share=1.0")
    before = counted(lab, "back-v2-0", "http.inbound.downstream_rq_total")
    assert ask(lab, times=5) == [200] * 5
    time.sleep(0.5)
    assert counted(lab, "back-v2-0", "http.inbound.downstream_rq_total") == before + 5


def test_a_dead_replica_is_ejected_and_the_other_cluster_takes_over(lab: Lab) -> None:
    outlier = "traffic.back.outlier={consecutive_5xx=3, interval_ms=200, ejection_ms=60000}"
    change(lab, outlier)
    west = counted(lab, "back-v1-west-0", "http.inbound.downstream_rq_total")
    assert ask(lab, times=5) == [200] * 5
    assert counted(lab, "back-v1-west-0", "http.inbound.downstream_rq_total") == west
    change(lab, outlier, 'workloads.back-v1.down_in=["east"]')
    answers = ask(lab, times=10)
    assert answers[:3] == [503] * 3
    assert answers[-5:] == [200] * 5
    assert counted(lab, "back-v1-west-0", "http.inbound.downstream_rq_total") >= west + 5


def test_replicas_come_and_go(lab: Lab) -> None:
    second = "workloads.back-v2.replicas=2"
    all_to_v2 = ("split.back={v1=0, v2=100}", second)
    change(lab, *all_to_v2)
    deadline = time.monotonic() + 20
    while stats(lab, "front-0", r"v2.*membership_healthy") != {} and time.monotonic() < deadline:
        lab.check()
        if counted(lab, "front-0", r"v2.*membership_healthy") == 2:
            break
        time.sleep(0.2)
    assert ask(lab, times=10) == [200] * 10
    assert counted(lab, "back-v2-1", "http.inbound.downstream_rq_total") == 5
    change(lab, "split.back={v1=0, v2=100}")
    assert counted(lab, "front-0", r"v2.*membership_healthy") == 1
    assert ask(lab, times=4) == [200] * 4


def test_certificates_are_renewed_without_a_lost_request(lab: Lab) -> None:
    before = certificates(lab, "front-0")
    lab.start_load()
    change(lab, "security.certificates={lifetime_s=60, rotate_after=0.01}")
    deadline = time.monotonic() + 10
    while certificates(lab, "front-0") == before and time.monotonic() < deadline:
        lab.check()
        time.sleep(0.2)
    time.sleep(1)
    answered = lab.stop_load()["answered"]
    assert certificates(lab, "front-0") != before
    assert set(answered) <= {"200", "503"}, "503 are those of the breaker's test"
    assert counted(lab, "front-0", "ssl.fail_verify") == 0


def test_a_caller_without_a_sidecar_is_unknown(lab: Lab) -> None:
    url = f"http://{replica(lab, 'legacy-0').address}:30080/"
    assert requests.get(url, timeout=5).status_code == 200
    time.sleep(0.5)
    assert ("back", lab.balance().outside[0][1]) == lab.balance().outside[0]


def test_two_labs_stand_side_by_side(lab: Lab) -> None:
    with Lab(Scenario.parse("changes", MESH)) as other:
        assert other.prometheus_url != lab.prometheus_url
        other.start_load()
        before = lab.balance().sent
        time.sleep(1)
        other.stop_load()
        assert other.balance().equal
        assert other.balance().sent > 20
        assert lab.balance().sent == before
