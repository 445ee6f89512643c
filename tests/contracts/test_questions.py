"""Every installed question keeps to the contract on every recording: as a report, in a sweep, with controls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from notebook_cells import run_cells

import meshlab
from meshlab.core.results import Result
from meshlab.errors import ParameterError
from meshlab.questions.base import check_question, installed, parameters_source, question
from meshlab.questions.base.legacy import Legacy
from meshlab.reports.run.notebooks import available

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted(path.parent.name for path in ROOT.glob("data/*/manifest.json"))
QUESTIONS = [name for name in installed() if not isinstance(question(name), Legacy)]
NOTEBOOKS = {listed.question: listed.path for listed in available(ROOT) if listed.question}


def test_the_recordings_and_questions_are_there() -> None:
    assert len(RECORDINGS) >= 12
    assert set(installed()) == set(NOTEBOOKS)


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_keeps_to_the_contract(name: str, recording: str) -> None:
    assert check_question(question(name), ROOT / "data" / recording) > 0 or name in ("canary", "retries")


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_page_with_controls_says_what_the_question_answers(name: str, recording: str) -> None:
    source = f"data/{recording}"
    page = meshlab.explore(source, question=name, cwd=ROOT)
    asked = question(name)
    mesh = meshlab.connect(source, cwd=ROOT)
    settings = asked.settings()
    cases = list(asked.cases(asked.collect(mesh, mesh.window(), settings), settings))
    judged = [case for case in cases if not case.unjudged]
    if not judged or page.result is None:
        assert page.word in ("NOT_MEASURED", "INCONCLUSIVE"), page.said
        return
    (case,) = (case for case in judged if case.about == page.result.subject)
    assert page.result.to_dict() == asked.answer(case.evidence, case.settings, case.subject).to_dict()


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_every_notebook_runs_on_every_recording(name: str, recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    try:
        names = run_cells(NOTEBOOKS[name], {"source": f"data/{recording}"})
    except ParameterError:
        # A canary's arms are named in the notebook, and a recording without them says so.
        if name == "canary":
            return
        raise
    result = names["result"]
    assert isinstance(result, Result)
    assert result.findings


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_notebooks_parameters_are_the_settings(name: str) -> None:
    cells = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
    assert "".join(cell["source"]) == parameters_source(question(name))
