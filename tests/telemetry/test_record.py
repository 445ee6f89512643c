"""`meshlab.record`: a recording of a source, with all that the notebooks need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import meshlab

CANARY = Path(__file__).parents[2] / "data" / "canary-healthy"


def test_a_recording_of_a_recording_holds_what_the_notebooks_need(tmp_path: Path) -> None:
    folder = meshlab.record(str(CANARY), tmp_path / "again", start="-2m", selectors=["up"], what="Two minutes")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["what"] == "Two minutes"
    assert manifest["command"].startswith(f"meshlab record --source {CANARY} --start -2m")
    assert len(meshlab.Recording.open(folder).query("istio_requests_total")) > 0


def test_what_stands_in_its_place_is_noticed_before_the_source_is_opened(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(meshlab.ParameterError, match=r"not a recording \(notes\.md\)"):
        meshlab.record("nowhere", tmp_path, start="-2m")
