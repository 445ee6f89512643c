"""Checks that every question must pass on any source: what the contract promises, held."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, Verdict
from meshlab.errors import ContractError
from meshlab.questions.base.case import Case
from meshlab.questions.base.completeness import UNANSWERED
from meshlab.questions.base.contract import Question
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.source import connect

__all__ = ["check_question"]


def check_question(question: Question, source: str | Path, *, cwd: Path | None = None) -> dict[str, Result]:
    """Check a question against a source, as a report, as a sweep, and with nothing at all to judge.

    Parameters
    ----------
    question : Question
    source : str or Path
        Such as a recording.
    cwd : Path, optional
        Where a name is looked for.

    Returns
    -------
    dict of str to Result
        The answer about each subject that was judged, by its text.

    Raises
    ------
    ContractError
        What does not hold: a result about another subject than the case's, a table that is not of its schema, a figure
        without a number in its text, other answers alone than among all, or a verdict where nothing was measured.
    MeshlabError
        What collecting or judging raises.
    """
    mesh = connect(str(source), cwd=cwd)
    settings = question.settings()
    evidence = question.collect(mesh, mesh.window(), settings)
    cases = list(question.cases(evidence, settings))
    judged = [case for case in cases if not case.unjudged]
    results = {case.about: question.answer(case.evidence, case.settings, case.subject) for case in judged}
    for case in judged:
        _check_result(question, case, results[case.about])
    if judged:
        _check_alone(question, mesh, judged[0], results[judged[0].about])
    if question.subject_kind == "mesh":
        whole = question.case(evidence, settings)
        _check_result(question, whole, question.answer(evidence, settings))
    for case in judged[:1] or ([question.case(evidence, settings)] if question.subject_kind == "mesh" else []):
        _check_nothing(question, case)
    return results


def _check_result(question: Question, case: Case, result: Result) -> None:
    about = f"{question.name} on {case.about}"
    if result.subject != case.about:
        raise ContractError(f"{about}: the result is about {result.subject}")
    result.to_dict()
    for finding in result.findings:
        if not finding.code.startswith(f"{question.prefix}-") or not finding.key.startswith(f"{question.name}."):
            raise ContractError(f"{about}: {finding.code} {finding.key!r} is no code and key of the question")
        number = finding.code.removeprefix(f"{question.prefix}-")
        if number not in question.codes and number != UNANSWERED:
            raise ContractError(f"{about}: {finding.code} is not declared in the question's codes")
    for name, table in question.tables.items():
        dtypes = {str(column): str(dtype) for column, dtype in result.tables[name].dtypes.items()}
        if dtypes != dict(table.dtypes):
            raise ContractError(f"{about}: table {name} is {dtypes}, and its schema {dict(table.dtypes)}")
    undeclared = set(result.tables) - set(question.tables)
    if undeclared:
        raise ContractError(f"{about}: tables {', '.join(sorted(undeclared))} have no schema")
    for figure in question.draw(result):
        if not figure.alt.strip() or not figure.png:
            raise ContractError(f"{about}: a figure has no text or no picture: {figure.alt!r}")


def _check_alone(question: Question, mesh: Mesh, case: Case, swept: Result) -> None:
    """The answer about one subject is the same alone and among all."""
    names = question.Settings.__struct_fields__
    if case.subject is None or "service" not in names:
        return
    place = {"service": case.subject.service, "namespace": case.subject.namespace}
    settings = case.settings.changed(**{name: value for name, value in place.items() if name in names})
    alone = question.answer(question.collect(mesh, case.evidence.window, settings), settings)
    for first, second in zip(_numbers(alone), _numbers(swept), strict=False):
        if first != second:
            raise ContractError(f"{question.name} on {case.about}: alone {first}, among all {second}")
    if len(alone.findings) != len(swept.findings) or alone.verdict is not swept.verdict:
        raise ContractError(f"{question.name} on {case.about}: {alone.verdict} alone and {swept.verdict} among all")


def _numbers(result: Result) -> Iterator[tuple[Any, ...]]:
    for finding in result.findings:
        yield (finding.code, finding.word, *(_rounded(x) for x in (finding.value, finding.threshold)))


def _rounded(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) is False else f"{value:.6g}"


def _check_nothing(question: Question, case: Case) -> None:
    """Where nothing was measured, nothing is green, and everything can still be shown."""
    result = question.answer(_emptied(case.evidence), case.settings, case.subject)
    if result.verdict is not Verdict.INCONCLUSIVE:
        raise ContractError(f"{question.name} on no data: {result.verdict}: {result.headline}")
    _check_result(question, case, result)


def _emptied(evidence: Evidence) -> Evidence:
    return dataclasses.replace(
        evidence,
        frames={name: frame.iloc[:0] for name, frame in evidence.frames.items()},
        counts={name: part.nothing() for name, part in evidence.counts.items()},
    )
