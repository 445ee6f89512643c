"""Findings ML-SEC-014 and 015, and the headline: all of it in a number and a sentence."""

from __future__ import annotations

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.rows import each_row
from meshlab.questions.security.score import FORMULA

__all__ = ["changed", "headline", "scored"]


def scored(number: float | None, terms: pd.DataFrame, found: pd.DataFrame, about: str) -> Finding:
    """ML-SEC-014: the score with its formula."""
    if number is None:
        return Finding(
            code="ML-SEC-014", verdict=None, subject=about, required=False, statement="no score: not measured"
        )
    told = ", ".join(
        f"{row.term} {row.weight:g} x {'not measured' if row.share != row.share else percent(row.share, 1 - row.share)}"
        for row in each_row(terms)
    )
    requests = found[found["unit"] == "requests"]
    known, hidden = float(requests[["mtls", "plaintext"]].sum().sum()), float(requests["unverified"].sum())
    seen = f"; measured share of the requests: {percent(known, hidden)}" if known + hidden else ""
    return Finding(
        code="ML-SEC-014",
        verdict=Verdict.PASS,
        subject=about,
        required=False,
        statement=f"score {number:.0f} of 100 = {FORMULA}: {told}{seen}",
        value=number,
    )


def changed(moved: pd.DataFrame, about: str) -> Finding:
    """ML-SEC-015: what changed since an earlier result."""
    count = moved["change"].value_counts()
    new, fixed, worse = (int(count.get(word, 0)) for word in ("new", "fixed", "worse"))
    return Finding(
        code="ML-SEC-015",
        verdict=Verdict.WARN if new or worse else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"since the earlier result: {new} new, {fixed} fixed, {worse} worse",
        value=float(new + worse),
    )


def headline(verdict: Verdict, findings: list[Finding]) -> str:
    """The result in one sentence."""
    first = findings[0]
    if verdict is Verdict.INCONCLUSIVE:
        return f"No verdict yet: {first.statement}; {first.action}"
    late = [f for f in findings if f.code == "ML-SEC-004" and f.verdict is Verdict.FAIL]
    told = [f.statement for f in (late[:2] if late else [])]
    lead = {Verdict.PASS: "Nothing was found", Verdict.WARN: "It has flaws", Verdict.FAIL: "It is not secure"}[verdict]
    return f"{lead}: " + "; ".join([*told, first.statement])
