"""Findings ML-SEC-014 and 015: all of it in a number, and what changed."""

from __future__ import annotations

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.rows import each_row
from meshlab.questions.security.score import FORMULA

__all__ = ["changed", "scored"]


def scored(case: Case, score: float | None, terms: pd.DataFrame, edges: pd.DataFrame) -> Finding:
    """ML-SEC-014: the score with its formula."""
    if score is None:
        return case.not_measured("014", "score", "There is no score without measured traffic.")
    listed = ", ".join(
        f"{row.term} {row.weight:g} x {'not measured' if row.share != row.share else percent(row.share, 1 - row.share)}"
        for row in each_row(terms)
    )
    requests = edges[edges["unit"] == "requests"]
    known, hidden = float(requests[["mtls", "plaintext"]].sum().sum()), float(requests["unverified"].sum())
    measured = f"; {percent(known, hidden)} of requests measured" if known + hidden else ""
    statement = f"Score {score:.0f} of 100 = {FORMULA}: {listed}{measured}."
    return case.finding("014", "score.pass", Verdict.PASS, statement, value=score)


def changed(case: Case, changes: pd.DataFrame) -> Finding:
    """ML-SEC-015: what changed since an earlier result."""
    count = changes["change"].value_counts()
    new, fixed, worse = (int(count.get(word, 0)) for word in ("new", "fixed", "worse"))
    statement = f"Since the earlier result: {new} new, {fixed} fixed, {worse} worse."
    return case.warn_if(new + worse, "015", "changes.worse", statement, value=float(new + worse))
