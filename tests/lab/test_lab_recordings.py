"""The recordings that are committed: each is whole, small, true to its scenario, and its books balance."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from meshlab.lab.scenario import Scenario, bundled
from meshlab.lab.truth import scenario_truth
from meshlab.recordings.format import read_folder

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
