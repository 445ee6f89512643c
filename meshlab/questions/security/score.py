"""One number, with its formula beside it, and what changed since the last time: ML-SEC-014 and 015."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.documents import read_json
from meshlab.core.results import Finding, Verdict
from meshlab.errors import ParameterError
from meshlab.questions.base import Case
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.rows import each_row
from meshlab.questions.security.tables import TABLES

__all__ = ["changed", "changes", "earlier", "score", "scored"]

_FORMULA: Final = "sum(weight x share) / sum(weight) over what was measured, times 100, rounded down, then the caps"

_WEIGHTS: Final = {
    "requests encrypted": 40.0,
    "edges encrypted": 20.0,
    "certificates in time": 25.0,
    "own accounts": 15.0,
}
_EXPIRED_CAP: Final = 40.0
_PLAIN_CAP: Final = 99.0
_WORSE: Final = {"PASS": 0, "INFO": 0, "NOT_MEASURED": 1, "INCONCLUSIVE": 2, "WARN": 3, "FAIL": 4}


def score(
    shares: pd.DataFrame, certificates: pd.DataFrame, identities: pd.DataFrame
) -> tuple[float | None, pd.DataFrame]:
    """The score, and every term of it.

    Returns
    -------
    float or None
        0..100; None where nothing at all was measured.
    DataFrame
        The table ``score``.
    """
    units = shares.set_index(["unit", "by"])["share"] if len(shares) else pd.Series(dtype=np.float64)
    # Requests, connections and bytes are never added up; the lowest one counts.
    kinds = ("requests", "connections", "bytes")
    leaf = certificates[(certificates["kind"] == "leaf") & (certificates["state"] != "unknown")]
    values = {
        "requests encrypted": _least(units.get((unit, unit), np.nan) for unit in kinds),
        "edges encrypted": _least(units.get((unit, "edges"), np.nan) for unit in kinds),
        "certificates in time": float((leaf["state"] == "fine").mean()) if len(leaf) else np.nan,
        "own accounts": float((~(identities["shared"] | identities["default"])).mean()) if len(identities) else np.nan,
    }
    caps = {
        "requests encrypted": _PLAIN_CAP if values["requests encrypted"] < 1 else np.nan,
        "certificates in time": _EXPIRED_CAP if (certificates["state"] == "expired").any() else np.nan,
    }
    table = TABLES["score"].of([(term, weight, values[term], caps.get(term)) for term, weight in _WEIGHTS.items()])
    known = table[table["share"].notna()]
    # Names and certificates alone say nothing of the traffic.
    if known.empty or np.isnan(values["requests encrypted"]):
        return None, table
    raw = 100 * float((known["weight"] * known["share"]).sum() / known["weight"].sum())
    cap = known["cap"].min()
    return float(np.floor(min(raw, cap) if cap == cap else raw)), table


def _least(values: Iterable[float]) -> float:
    known = [float(value) for value in values if value == value]
    return min(known) if known else np.nan


def earlier(against: str) -> dict[tuple[str, str], str]:
    """The verdicts of an earlier result, by code and subject: together a finding's stable name.

    Parameters
    ----------
    against : str
        The path of a ``result.json``.

    Raises
    ------
    ParameterError
        There is no such file, or it is no result of this question.
    """
    try:
        result = read_json(Path(against))
        right = result["question"] == "security"
        verdicts = {(str(f["code"]), str(f["subject"])): str(f["verdict"]) for f in result["findings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"{against} cannot be read as a result", "give a result.json of this question") from error
    if not right:
        raise ParameterError(f"{against} is a result of another question", "give one of security")
    return verdicts


def changes(findings: Iterable[Finding], before: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """What is new, fixed or worse since an `earlier` result: the table ``changes``."""
    now: dict[tuple[str, str], str] = {}
    for f in findings:
        key = (f.code, f.subject)
        now[key] = max(now.get(key, "PASS"), f.word, key=lambda word: _WORSE.get(word, 0))
    rows = []
    for key in sorted({*before, *now}):
        was, is_ = before.get(key, ""), now.get(key, "")
        bad_then, bad_now = _WORSE.get(was, 0) > 2, _WORSE.get(is_, 0) > 2
        if bad_now and not bad_then:
            rows.append(("new", *key, was, is_))
        elif bad_then and is_ in ("", "PASS", "INFO"):
            rows.append(("fixed", *key, was, is_))
        elif bad_then and _WORSE.get(is_, 0) > _WORSE.get(was, 0):
            rows.append(("worse", *key, was, is_))
    return TABLES["changes"].of(rows)


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
    statement = f"Score {score:.0f} of 100 = {_FORMULA}: {listed}{measured}."
    return case.finding("014", "score.pass", Verdict.PASS, statement, value=score)


def changed(case: Case, changes: pd.DataFrame) -> Finding:
    """ML-SEC-015: what changed since an earlier result."""
    count = changes["change"].value_counts()
    new, fixed, worse = (int(count.get(word, 0)) for word in ("new", "fixed", "worse"))
    statement = f"Since the earlier result: {new} new, {fixed} fixed, {worse} worse."
    return case.warn_if(new + worse, "015", "changes.worse", statement, value=float(new + worse))
