"""The same mesh, seen through its running Prometheus and through the recording of it, gives the same answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshlab.lab.lab import Lab
from meshlab.lab.scenario import Scenario
from meshlab.recordings.manifest import read_manifest
from meshlab.reports.run.runner import run

pytestmark = pytest.mark.live

NOTEBOOK = Path(__file__).parent.parent.parent / "notebooks" / "canary-verdict.ipynb"
ARMS = {"service": "catalog", "baseline": "v1", "canary": "v2", "block_s": "5"}


def judged(source: str, out: Path, **more: str) -> dict[str, object]:
    outcome = run(str(NOTEBOOK), parameters={**ARMS, "source": source, **more}, out=out)
    result = json.loads((outcome.folder / "result.json").read_text())
    assert result == outcome.result
    return {key: value for key, value in result.items() if key != "source"}


def test_the_running_mesh_and_its_recording_give_the_same_answer(
    tmp_path: Path, prometheus_binary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = Scenario.named("canary-regression", ["scrape_interval_s=1", "load.rate_per_s=200"])
    folder = tmp_path / "data" / "just-now"
    with Lab(scenario, seed=7) as lab:
        lab.run(duration_s=60, record=folder, force=True)
        window = read_manifest(folder)["window"]
        assert isinstance(window, dict)
        live = judged(lab.prometheus_url, tmp_path / "live", start=window["start"], end=window["end"])
    recorded = judged("just-now", tmp_path / "recorded")
    assert live == recorded
    assert live["verdict"] == "FAIL", "three times the errors and 30 % slower"
