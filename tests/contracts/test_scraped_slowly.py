"""Recordings as a Prometheus with a slower scrape has them: every question's verdict, or what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stored import read_folder

from meshlab.core.results import Result, Verdict
from meshlab.questions.base import question
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

DATA = Path(__file__).parents[2] / "data"
ARMS = {"service": "catalog", "baseline": "v1", "canary": "v2"}
ASKED = {"canary": ARMS, "retries": {}, "scaling": {"service": "catalog"}, "security": {}}


def slower(folder: Path, every_s: int) -> Recording:
    """A recording of which only one scrape of several is there."""
    whole = read_folder(folder).series
    at = whole.time.astype(np.int64)
    keep = (at // 5_000) % (every_s // 5) == 0
    sid, time, value = whole.sid[keep], at[keep] / 1_000, whole.value[keep]
    edges = np.searchsorted(sid, np.arange(len(whole.labels) + 1))
    rows = whole.labels.to_dict("records")
    return Recording.from_series(
        (
            ({str(name): str(text) for name, text in row.items() if text}, time[a:b], value[a:b])
            for row, a, b in zip(rows, edges[:-1], edges[1:], strict=True)
            if b > a
        ),
        name=folder.name,
    )


def judged(recording: Recording, name: str) -> Result:
    mesh, asked = Mesh.detect(recording, recording.name), question(name)
    settings = asked.settings(**ASKED[name])
    return asked.answer(asked.collect(mesh, mesh.window(), settings), settings)


@pytest.mark.parametrize("every_s", [30, 60])
@pytest.mark.parametrize("name", ["canary-healthy", "canary-regression", "retry-storm", "mtls-migration"])
def test_a_slower_scrape_changes_no_verdict_but_to_say_what_is_missing(name: str, every_s: int) -> None:
    slow, whole = slower(DATA / name, every_s), Recording.open(DATA / name)
    assert Mesh.detect(slow, name).probe.scrape_ms == 1_000 * every_s
    for asked in ASKED if name.startswith("canary") else ("retries", "security"):
        result, usual = judged(slow, asked), judged(whole, asked)
        assert result.verdict in (usual.verdict, Verdict.INCONCLUSIVE), asked
        assert not any("gap" in f"{f.statement} {f.action}" for f in result.findings), asked
