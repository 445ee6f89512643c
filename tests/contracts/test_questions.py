"""Every installed question keeps to the contract on every recording, and answers what it answered before.

``answers/`` holds what commit 272b177 answered: verdicts, codes, subjects, values, intervals and thresholds of a sweep
over all services, and of each notebook as it stands. What changes an answer on purpose changes the file with it.
"""

from __future__ import annotations

import functools
import json
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from notebook_cells import run_cells

import meshlab
from meshlab.core.results import Result
from meshlab.errors import ParameterError
from meshlab.questions.base import check_question, installed, question
from meshlab.reports.run.notebooks import available

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted(path.parent.name for path in ROOT.glob("data/*/manifest.json"))
QUESTIONS = installed()
NOTEBOOKS = {listed.question: listed.path for listed in available(ROOT) if listed.question}


EVERYWHERE = [
    pytest.param(name, recording, marks=pytest.mark.xdist_group(f"{name} on {recording}"))
    for name in QUESTIONS
    for recording in RECORDINGS
]


@functools.cache
def before(name: str) -> Any:
    return json.loads((Path(__file__).parent / "answers" / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def checked(name: str, recording: str) -> dict[str, Result]:
    return check_question(question(name), ROOT / "data" / recording)


def differences(result: Result, old: Mapping[str, Any]) -> list[str]:
    """What is not as it was, a line each."""
    found = [] if result.verdict == old["verdict"] else [f"verdict {old['verdict']} -> {result.verdict}"]
    new = [[f.code, f.word, f.subject, f.value, f.interval, f.threshold] for f in result.findings]
    if [row[0] for row in new] != [row[0] for row in old["findings"]]:
        return [*found, f"codes {[row[0] for row in old['findings']]} -> {[row[0] for row in new]}"]
    for first, second in zip(old["findings"], new, strict=True):
        for was, now in zip(first, second, strict=True):
            if not same(was, now):
                found.append(f"{first[0]} on {first[2]}: {was} -> {now}")
    return found


def same(was: Any, now: Any) -> bool:
    if isinstance(was, list) and isinstance(now, Iterable):
        return all(same(x, y) for x, y in zip(was, now, strict=True))
    if isinstance(was, int | float) and isinstance(now, int | float):
        return was == pytest.approx(now, rel=1e-5)
    # Values that are no number are not written to the result.
    return bool(was == now or (was is None and now != now))


def test_the_recordings_and_questions_are_there() -> None:
    assert len(RECORDINGS) >= 12
    assert set(installed()) == set(NOTEBOOKS)


@pytest.mark.parametrize(("name", "recording"), EVERYWHERE)
def test_a_question_keeps_to_the_contract_and_to_its_answers(name: str, recording: str) -> None:
    results, old = checked(name, recording), before(name)[recording]["sweep"]
    assert set(results) == {subject for subject, row in old.items() if row["findings"]}
    assert {subject: differences(result, old[subject]) for subject, result in results.items()} == {
        subject: [] for subject in results
    }


@pytest.mark.parametrize(("name", "recording"), EVERYWHERE)
def test_the_page_with_controls_says_the_same(name: str, recording: str) -> None:
    page = meshlab.explore(f"data/{recording}", question=name, cwd=ROOT)
    if page.result is None:
        assert page.word in ("NOT_MEASURED", "INCONCLUSIVE"), page.text
    else:
        swept = checked(name, recording)[page.result.subject]
        assert [f.to_dict() for f in page.result.findings] == [f.to_dict() for f in swept.findings]


@pytest.mark.parametrize(("name", "recording"), EVERYWHERE)
def test_every_notebook_runs_on_every_recording(name: str, recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    old = before(name)[recording]["report"]
    try:
        result = run_cells(NOTEBOOKS[name], {"source": f"data/{recording}"})["result"]
    except ParameterError:
        # A canary's arms are named in the notebook, and a recording without them says so; so does one in which the
        # service is of two clusters.
        if old is None:
            return
        raise
    assert isinstance(result, Result)
    assert old is None or differences(result, old) == []


def test_what_is_generated_is_as_it_stands() -> None:
    # Parameters cells, and the tables of codes and settings in docs: python docs/generate.py writes them.
    script = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert {
        path.name for path, text in script["generated"]().items() if path.read_text(encoding="utf-8") != text
    } == set()
