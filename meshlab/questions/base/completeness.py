"""What evidence lacks, and why it may not be whole: what stands in the way of any verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base.case import Case
from meshlab.questions.base.needs import Asking, Need

__all__ = ["UNANSWERED", "doubtful", "lacking", "notes", "unanswered"]

UNANSWERED: Final = "000"
"""Number of the finding that says that nothing can be judged."""


def unanswered(case: Case, needs: Mapping[str, Need]) -> Iterator[Finding]:
    """An INCONCLUSIVE finding for what is required and missing, or where there is nothing to judge."""
    if case.unjudged:
        yield case.finding(UNANSWERED, "unjudged", Verdict.INCONCLUSIVE, case.unjudged, required=True)
        return
    asked = {*case.evidence.frames, *case.evidence.counts}
    required = {name: need for name, need in needs.items() if need.required and name in asked}
    for name in lacking(required, {name for name in required if case.empty(name)}):
        need, lack = required[name], case.missing(name)
        yield case.finding(
            need.code,
            f"{name}.missing",
            Verdict.INCONCLUSIVE,
            f"There are no {need.what or name} in this window.",
            required=True,
            query=name,
            action=lack.remedy if lack else "",
        )


def lacking(required: Mapping[str, Need], empty: set[str]) -> list[str]:
    """Which required needs are not met: all of those that stand in for each other must be empty."""
    met = {need.any_of for name, need in required.items() if need.any_of and name not in empty}
    return [name for name, need in required.items() if name in empty and need.any_of not in met]


def doubtful(case: Case) -> Iterator[Finding]:
    """Why the evidence may not be whole: the verdict may have been another one, so that it cannot be a PASS."""
    if case.evidence.doubts:
        yield case.finding(
            UNANSWERED,
            "incomplete",
            Verdict.INCONCLUSIVE,
            f"The evidence may not be complete: {'; '.join(case.evidence.doubts)}.",
            required=True,
            action="Repair the store, or ask again about a shorter window.",
        )


def notes(asking: Asking) -> dict[str, str]:
    """How the answers were made, where that is to be known."""
    texts = dict.fromkeys(text for answer in asking.answers.values() for text in answer.query.notes)
    return {"Counting": "; ".join(texts)} if texts else {}
