"""A policy proposed from a recording is enforced by real Envoys: it denies nobody legitimate, and every probe."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from meshlab.lab.lab import Lab
from meshlab.lab.scenario import Scenario
from meshlab.questions.security import least_privilege as least

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import policy_proof

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.live


def test_the_proposal_denies_probes_and_nobody_else(prometheus_binary: str, tmp_path: Path) -> None:
    proposal = least.propose(policy_proof.observed(ROOT / "data" / "mtls-migration"))
    record = tmp_path / "enforced"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path))
        with Lab(Scenario.named(policy_proof.SCENARIO, policy_proof.enforced(proposal))) as lab:
            truth = lab.run(duration_s=60, record=record).truth
    sent = policy_proof.workers_sent(truth)
    for probe in policy_proof.PROBES:
        assert sent[probe].get("403", 0) > 0, probe
    assert not any(policy_proof.let_through(truth).values())
    legitimate = {edge: answers for edge, answers in sent.items() if edge not in policy_proof.PROBES}
    assert len(legitimate) == 9
    assert all(answers.get("200", 0) > 0 and "403" not in answers for answers in legitimate.values()), legitimate
    # The servers' own counters say the same: whoever was answered with 403 is a probe, and a probe with nothing else.
    seen = policy_proof.observed(record).frame
    probes = policy_proof.nameless(policy_proof.PROBES)
    edges = pd.Series(list(zip(seen["source"], seen["destination_workload"], strict=True)), index=seen.index)
    assert set(seen.loc[edges.isin(probes) & (seen["count"] > 0), "code"]) == {"403"}
    denied = seen[(seen["code"] == "403") & (seen["count"] > 0)]
    assert set(zip(denied["source"], denied["destination_workload"], strict=True)) == probes
    assert json.loads((record / "manifest.json").read_text())["truth"]["balance"]["equal"]
