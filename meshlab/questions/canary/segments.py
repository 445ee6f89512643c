"""Is one part of the traffic worse although all of it together is not? And do both arms get the same mix?

Simpson's paradox: a canary that gets the easier callers looks as good as the baseline while it fails more often for
each of them. So the arms are also compared caller by caller, and the overall difference once more as it would be if
both had the mix of all requests (direct standardisation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.questions.canary.arms import Outcomes, outcomes
from meshlab.questions.canary.scope import Scope
from meshlab.questions.canary.settings import Policy
from meshlab.stats.ratios import log_ratio_above
from meshlab.stats.scatter import at_every_look, deflation

__all__ = ["SEGMENTS", "Segments", "segment_finding", "segments"]

SEGMENTS: Final = {
    "source": "caller",
    "source_cluster": "caller's cluster",
    "destination_host": "host",
}
"""Words of the vocabulary that cut traffic into parts, and what they are called."""

_MOST: Final = 12
"""Parts by a word that are looked at, the busiest first: the others come together."""
_OTHERS: Final = "(others)"
_MIX_ALPHA: Final = 0.0005
_MIX_DIFFERS: Final = 0.1
"""Cramér's V from which the arms' mixes count as different."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The arms' errors in parts of the traffic.

    Parameters
    ----------
    parts : DataFrame
        One row a part: ``by, segment, requests_baseline, requests_canary, error_percent_baseline,
        error_percent_canary, difference`` (points), ``log_worse`` (natural log of the evidence).
    mixes : DataFrame
        One row a way of cutting: ``by, cramers_v, p_value, standardised`` (points: the difference if both arms had
        the mix of all requests).
    """

    parts: pd.DataFrame
    mixes: pd.DataFrame

    @property
    def log_worse(self) -> float:
        """Natural log of the evidence for "worse in one part at least"; the parts share the stake."""
        return max(0.0, float(self.parts["log_worse"].max()) - math.log(len(self.parts))) if len(self.parts) else 0.0

    def parts_beside(self, share_baseline: float, share_canary: float, requests: tuple[int, int]) -> pd.DataFrame:
        """The parts below a first row for all traffic together."""
        shares = 100 * share_baseline, 100 * share_canary
        row = ("all", "all", *requests, *shares, shares[1] - shares[0], math.nan)
        return _below(row, self.parts)

    def mixes_beside(self, pooled: float) -> pd.DataFrame:
        """The mixes below a first row for the traffic as it is; `pooled` is a share."""
        return _below(("as it is", math.nan, math.nan, 100 * pooled), self.mixes)


def segments(frame: pd.DataFrame, subject: Subject, scope: Scope, possible: int, policy: Policy) -> Segments:
    """Compare the arms in every part of the traffic that both get.

    Parameters
    ----------
    frame : DataFrame
        The side on which errors are counted.
    subject : Subject
    scope : Scope
    possible : int
        Blocks of the window.
    policy : Policy
    """
    rows, mixes = [], []
    for word, name in SEGMENTS.items():
        cut = _cut(frame, word)
        counted = {part: outcomes(mine, subject, scope, possible) for part, mine in cut}
        # What was not counted in both arms cannot be compared; one part alone is all of the traffic.
        counted = {part: one for part, one in counted.items() if all(one.requests)}
        if len(counted) < 2:
            continue
        rows += [_row(name, part, one, policy) for part, one in counted.items()]
        mixes.append(_mix(name, list(counted.values())))
    columns = ["requests_baseline", "requests_canary", "error_percent_baseline", "error_percent_canary"]
    return Segments(
        pd.DataFrame(rows, columns=["by", "segment", *columns, "difference", "log_worse"]),
        pd.DataFrame(mixes, columns=["by", "cramers_v", "p_value", "standardised"]),
    )


def segment_finding(
    found: Segments, pooled: float, margin: float, subject: str, query: str, *, failing: bool
) -> Finding:
    """ML-CAN-010: whether a part of the traffic, or the mix, tells another story than all of it together.

    Parameters
    ----------
    found : Segments
    pooled : float
        Difference of the error shares, of all traffic; share.
    margin : float
        What is tolerated of it; share.
    subject, query : str
    failing : bool
        As `guards.failing` has it.
    """
    code = "ML-CAN-010"
    if found.parts.empty:
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement="one caller, host and cluster only: there are no parts of the traffic to compare",
            query=query,
        )
    worst = found.parts.sort_values("log_worse", ascending=False).iloc[0]
    where = f"{worst['by']} {worst['segment']}"
    told = (
        f"for {where} the canary fails {worst['error_percent_canary']:.2f} % and the baseline "
        f"{worst['error_percent_baseline']:.2f} %"
    )
    differing = found.mixes[(found.mixes["p_value"] < _MIX_ALPHA) & (found.mixes["cramers_v"] > _MIX_DIFFERS)]
    hidden = differing[differing["standardised"] > 100 * margin]
    value: float | None = None
    if failing:
        verdict, text = Verdict.FAIL, told
        action, value = f"roll back, or keep {where} away from the canary", float(worst["difference"])
    elif len(hidden) and pooled <= margin:
        row = hidden.iloc[0]
        verdict, value = Verdict.INCONCLUSIVE, float(row["standardised"])
        text = (
            f"the arms get different mixes by {row['by']}, which hides a difference: {row['standardised']:+.2f} points "
            f"if both got the same mix, {100 * pooled:+.2f} as it is"
        )
        action = f"route every {row['by']} by the same weights"
    elif len(differing):
        row = differing.iloc[0]
        verdict, value = Verdict.WARN, float(row["standardised"])
        text = (
            f"the arms get different mixes by {row['by']} (Cramér's V {row['cramers_v']:.2f}); with the same mix the "
            f"difference of the error shares would be {row['standardised']:+.2f} points"
        )
        action = f"route every {row['by']} by the same weights"
    else:
        verdict, action = Verdict.PASS, ""
        text = f"{len(found.parts)} parts of the traffic tell the same story, and both arms get the same mix"
    return Finding(
        code=code,
        verdict=verdict,
        required=verdict is not Verdict.WARN,
        subject=subject,
        statement=text,
        value=value,
        threshold=100 * margin if value is not None and math.isfinite(margin) else None,
        unit="points" if value is not None else "",
        action=action,
        query=query,
    )


def _below(row: tuple[object, ...], table: pd.DataFrame) -> pd.DataFrame:
    first = pd.DataFrame([row], columns=table.columns)
    return pd.concat([first, table], ignore_index=True) if len(table) else first


def _cut(frame: pd.DataFrame, word: str) -> list[tuple[str, pd.DataFrame]]:
    if word not in frame or frame.empty:
        return []
    busy = frame.groupby(word)["count"].sum().sort_values(ascending=False, kind="stable")
    busy = busy[(busy > 0) & (busy.index != "")]
    if len(busy) < 2:
        return []
    named = list(busy.index[:_MOST])
    label = frame[word].where(frame[word].isin(named), _OTHERS)
    label = label[frame[word] != ""]
    return [(str(part), frame.loc[mine.index]) for part, mine in label.groupby(label, sort=True)]


def _row(name: str, part: str, counted: Outcomes, policy: Policy) -> tuple[object, ...]:
    (n_b, n_c), (k_b, k_c) = counted.requests, counted.errors
    factor = 1.0 + policy.error_same_relative
    evidence = at_every_look(lambda by: log_ratio_above(counted.blocks, factor, by), deflation(counted.blocks))
    shares = 100 * k_b / n_b, 100 * k_c / n_c
    worse = k_c * n_b > k_b * n_c and len(evidence) > 0
    # Tolerated in points of its own: a part in which next to nothing fails is not worse for one more.
    worse = worse and shares[1] - shares[0] > 100 * policy.error_margin.of(k_b / n_b)
    return name, part, n_b, n_c, *shares, shares[1] - shares[0], float(evidence.max()) if worse else 0.0


def _mix(name: str, counted: list[Outcomes]) -> tuple[object, ...]:
    n = np.array([one.requests for one in counted], dtype=np.float64)
    k = np.array([one.errors for one in counted], dtype=np.float64)
    tested = chi2_contingency(n)
    weight = n.sum(axis=1) / n.sum()
    share = k / n
    standardised = float((weight * (share[:, 1] - share[:, 0])).sum())
    return name, math.sqrt(float(tested.statistic) / n.sum()), float(tested.pvalue), 100 * standardised
