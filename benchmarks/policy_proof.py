"""The proposal on the mesh: enforced in the lab, and its dry run of STRICT against a mesh that is strict.

    python benchmarks/policy_proof.py [--duration 180] [--recording data/mtls-migration] [--strict]

Prints, for every pair of caller and workload, what was answered and what was denied. Without ``--strict`` the policies
proposed from the recording are enforced: no edge with a rule may be denied, and every probe must be. With it, the
callers that spoke plain text in the recording must be the ones that the strict mesh refuses.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import meshlab
from meshlab.core.counts import Counts
from meshlab.lab.lab import Lab
from meshlab.lab.scenario import Scenario
from meshlab.questions.security import least_privilege as least

SCENARIO = "mtls-migration"
ENTRY = "ingress"
PROBES = {("batch", "payments"), ("legacy", "inventory"), ("prober", "ledger")}
"""Callers without a rule: denied in the recording, without an identity, and never seen before."""


def observed(recording: str | Path) -> Counts:
    """The requests of a recording as the servers saw them."""
    mesh = meshlab.connect(str(recording))
    return least.collect(mesh, mesh.window(), block_ms=30_000)


def enforced(proposal: least.Proposal) -> list[str]:
    """Settings of the scenario: the proposal for all workloads, steady mTLS, and a caller that was never seen."""
    rules = [
        f"security.authorization.{workload}={{allow=[{{accounts={list(names)}}}]}}"
        for workload, names in least.accounts(proposal, "shop").items()
    ]
    prober = '{service="prober", version="v1", calls=["ledger"], own_rate_per_s=2}'
    return ["event=[]", "traffic.inventory.plaintext_from=[]", f"workloads.prober={prober}", *rules]


def strict() -> list[str]:
    """Settings of the scenario: everything is strict but the entry, whose load has no identity; cart speaks plain."""
    open_entry = f'security.modes={{{ENTRY}="permissive"}}'
    return ["event=[]", 'security.mode="strict"', open_entry, "security.authorization={}"]


def workers_sent(truth: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, int]]:
    """What every caller's process got, by caller and service: 403, 200, or failed."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for pod, counts in truth["workers"].items():
        workload = next(name for name in sorted(truth["workloads"], key=len, reverse=True) if pod.startswith(name))
        for host, answers in counts["sent"].items():
            total = found.setdefault((workload, host.partition(".")[0]), {})
            for status, count in answers.items():
                total[status] = total.get(status, 0) + count
    return found


def let_through(truth: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Requests of each probe that reached the service's own process, by its count of arrivals.

    A probe's answer alone does not say: its own proxy answers 503 until it knows where the service is, which is neither
    a denial nor a passage. So arrivals beyond those that callers with a rule sent are the probes'.
    """
    sent = workers_sent(truth)
    passed = {}
    for source, target in PROBES:
        arrivals = sum(counts["arrivals"] for pod, counts in truth["workers"].items() if pod.startswith(f"{target}-"))
        allowed = sum(
            sum(answers.values()) for edge, answers in sent.items() if edge[1] == target and edge not in PROBES
        )
        answered = sum(count for status, count in sent[source, target].items() if status not in {"403", "503"})
        passed[source, target] = max(answered, arrivals - allowed)
    return passed


def run(settings: list[str], duration_s: float) -> Mapping[str, Any]:
    """Run the lab; what its processes counted themselves."""
    with Lab(Scenario.named(SCENARIO, settings)) as lab:
        return lab.run(duration_s=duration_s).truth


def refused_in_strict(sent: dict[tuple[str, str], dict[str, int]]) -> set[tuple[str, str]]:
    """Edges that a strict mesh broke: the first ones of a chain, whose own callee was never reached.

    A service that fails because of what it calls answers 500 or passes the status on; only an edge whose callee has no
    broken edge of its own is refused itself.
    """
    broken = {edge for edge, answers in sent.items() if answers and "200" not in answers}
    callers = {source for source, _ in broken}
    return {(source, target) for source, target in broken if target not in callers}


def plain_edges(frame: pd.DataFrame) -> set[tuple[str, str]]:
    """Edges with plain text in a recording; a caller without a sidecar has no name there: it is empty."""
    plain = frame[(frame["tls"] == "none") & (frame["count"] > 0) & (frame["destination_workload"] != ENTRY)]
    return set(zip(plain["source"], plain["destination_workload"], strict=True))


def nameless(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges as telemetry can name them: ``legacy`` has no sidecar that would tell its name."""
    return {("" if source == "legacy" else source, target) for source, target in edges}


def main() -> int:
    """Run one proof and print its figures; 1 where it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=180)
    parser.add_argument("--recording", default="data/mtls-migration")
    parser.add_argument("--strict", action="store_true")
    told = parser.parse_args()
    truth = run(strict() if told.strict else enforced(least.propose(observed(told.recording))), told.duration)
    sent = workers_sent(truth)
    for (source, target), answers in sorted(sent.items()):
        print(f"{source:12} -> {target:12} {answers}")
    if told.strict:
        said, broke = plain_edges(observed(told.recording).frame), nameless(refused_in_strict(sent))
        print(f"said {sorted(said)}, broke {sorted(broke)}")
        return 0 if said == broke else 1
    legitimate = {edge: answers for edge, answers in sent.items() if edge not in PROBES}
    denied = sum(answers.get("403", 0) for answers in legitimate.values())
    total = sum(sum(answers.values()) for answers in legitimate.values())
    probes = {edge: sent.get(edge, {}) for edge in PROBES}
    print(f"legitimate: {denied} of {total} requests denied")
    through = sum(let_through(truth).values())
    print(f"probes: {through} of {sum(sum(one.values()) for one in probes.values())} requests let through")
    return 0 if denied == 0 < total and through == 0 and all("403" in one for one in probes.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
