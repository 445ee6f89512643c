"""Do the arms' pods live under like conditions: since when, how many, how busy, and did they stay up?"""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.questions.canary.scope import Scope
from meshlab.questions.canary.settings import Policy
from meshlab.questions.canary.warm_up import Warm

__all__ = ["pods", "pods_finding"]

_UNLIKE: Final = 4.0
"""Times as many requests a pod from which the arms' pods are not alike."""


def pods(frame: pd.DataFrame, restarts: pd.DataFrame, subject: Subject, scope: Scope) -> pd.DataFrame:
    """The arms' pods as the service's own proxies tell them.

    Parameters
    ----------
    frame : DataFrame
        ``destination`` of the evidence, of the whole window.
    restarts : DataFrame
        ``restarts`` of the evidence.
    subject : Subject
    scope : Scope

    Returns
    -------
    DataFrame
        One row a pod: ``arm, pod, requests, first_seen, last_seen`` (ends of blocks) and ``restarts``; empty where
        the proxies do not tell pods apart.
    """
    columns = ["arm", "pod", "requests", "first_seen", "last_seen", "restarts"]
    if "destination_instance" not in frame or frame.empty:
        return pd.DataFrame(columns=columns)
    rows = frame[subject.mask(frame) & frame["arm"].isin([scope.baseline, scope.canary])]
    rows = rows[(rows["destination_instance"] != "") & (rows["count"] > 0)]
    seen = rows.groupby(["arm", "destination_instance"]).agg(
        requests=("count", "sum"), first_seen=("time", "min"), last_seen=("time", "max")
    )
    seen = seen.rename_axis(["arm", "pod"]).reset_index()
    fell = restarts.groupby("destination_instance")["restarts"].max() if len(restarts) else pd.Series(dtype="int64")
    seen["restarts"] = seen["pod"].map(fell).fillna(0).astype("int64")
    return seen[columns]


def pods_finding(table: pd.DataFrame, warm: Warm, scope: Scope, subject: str, policy: Policy) -> Finding:
    """ML-CAN-009: whether the arms started alike, have pods that are as busy, and stayed up."""
    started = (
        f"{warm.late} had its first requests {warm.started_s / 60:.1f} minutes after the window's start: all before "
        f"that, and {policy.warm_up_s} s of warm-up, were left out"
        if warm.late
        else "both arms had requests from the window's start"
    )
    code = "ML-CAN-009"
    arms = {arm: table[table["arm"] == arm] for arm in (scope.baseline, scope.canary)}
    if any(rows.empty for rows in arms.values()):
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=f"{started}; the metrics do not tell the pods of both arms apart",
            action="let the scraper set a label pod",
        )
    (base, other) = arms.values()
    each = [float(rows["requests"].sum()) / len(rows) for rows in (base, other)]
    times = max(each) / max(min(each), 1.0)
    restarted = {arm: int(rows["restarts"].sum()) for arm, rows in arms.items()}
    text = (
        f"{started}; {len(base)} pod{'s' * (len(base) > 1)} of {scope.baseline} and {len(other)} of {scope.canary}, "
        f"with {each[0]:,.0f} and {each[1]:,.0f} requests each"
    )
    action = []
    if restarted[scope.canary]:
        text += f"; pods of {scope.canary} were restarted {restarted[scope.canary]} times"
        action.append(f"find out why {scope.canary} restarts: requests are lost, and start-up counts as its latency")
    if restarted[scope.baseline]:
        text += f"; pods of {scope.baseline} were restarted {restarted[scope.baseline]} times"
    if times > _UNLIKE:
        less = scope.canary if each[1] < each[0] else scope.baseline
        text += f"; a pod of {less} has {times:.1f} times less to do, which makes it look better than it is"
        action.append("give both arms pods in proportion to their traffic")
    return Finding(
        code=code,
        verdict=Verdict.WARN if action else Verdict.PASS,
        required=False,
        subject=subject,
        statement=text,
        action="; ".join(action),
    )
