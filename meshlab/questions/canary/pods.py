"""Do the arms' pods live under like conditions: since when, how many, how busy, and did they stay up?"""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import BASELINE, CANARY
from meshlab.questions.canary.warm_up import Warm

__all__ = ["pods", "pods_finding"]

_UNLIKE: Final = 4.0
"""Times as many requests a pod from which the arms' pods are not alike."""
_COLUMNS: Final = ["arm", "pod", "requests", "first_seen", "last_seen", "restarts"]


def pods(case: Case, frame: pd.DataFrame, restarts: pd.DataFrame) -> pd.DataFrame:
    """The arms' pods as the service's own proxies name them.

    Parameters
    ----------
    case : Case
    frame : DataFrame
        ``destination`` of `arm_frames`, of the whole window.
    restarts : DataFrame
        ``restarts`` of the evidence.

    Returns
    -------
    DataFrame
        One row a pod: ``arm`` (its name), ``pod, requests, first_seen, last_seen`` (ends of blocks) and ``restarts``;
        empty where the proxies do not name pods.
    """
    if "destination_instance" not in frame or frame.empty:
        return pd.DataFrame(columns=_COLUMNS)
    rows = frame[(frame["destination_instance"] != "") & (frame["count"] > 0)]
    names = dict(zip((BASELINE, CANARY), arms_of(case).names, strict=True))
    table = rows.groupby([rows["arm"].map(names), "destination_instance"]).agg(
        requests=("count", "sum"), first_seen=("time", "min"), last_seen=("time", "max")
    )
    table = table.rename_axis(["arm", "pod"]).reset_index()
    counted = dict(restarts.groupby("destination_instance")["restarts"].max()) if len(restarts) else {}
    table["restarts"] = [int(counted.get(pod, 0)) for pod in table["pod"]]
    return table[_COLUMNS]


def pods_finding(case: Case, table: pd.DataFrame, warm: Warm) -> Finding:
    """ML-CAN-009: whether the arms started alike, have pods that are as busy, and stayed up."""
    baseline, canary = arms_of(case).names
    late = {BASELINE: baseline, CANARY: canary}.get(warm.late)
    statement = (
        f"{late} served its first requests {warm.started_s / 60:.1f} minutes after the window's start; all before that "
        f"and {case.settings.warm_up_s} s of warm-up are left out."
        if late
        else "Both versions served requests from the window's start."
    )
    rows = [table[table["arm"] == arm] for arm in (baseline, canary)]
    if any(arm.empty for arm in rows):
        return case.finding(
            "009",
            "pods.not_measured",
            None,
            f"{statement} The metrics do not name the pods of both versions.",
            action="Let the scraper set a label `pod`.",
        )
    counts = [plural(len(arm), "pod") for arm in rows]
    each = [float(arm["requests"].sum()) / len(arm) for arm in rows]
    statement += (
        f" {baseline} ran {counts[0]} and {canary} {counts[1]}, with {each[0]:,.0f} and {each[1]:,.0f} requests a pod."
    )
    restarts = {str(arm["arm"].iloc[0]): int(arm["restarts"].sum()) for arm in rows}
    statement += "".join(f" Pods of {arm} restarted {plural(n, 'time')}." for arm, n in restarts.items() if n)
    key, actions = "pods.alike", []
    if restarts[canary]:
        key = "pods.restarts"
        actions.append(f"Find out why pods of {canary} restart: they lose requests, and start-up counts as latency.")
    if (times := max(each) / max(min(each), 1.0)) > _UNLIKE:
        key = "pods.unlike_load"
        less = canary if each[1] < each[0] else baseline
        statement += f" A pod of {less} serves {times:.1f} times fewer requests, which makes it look better than it is."
        actions.append("Scale both versions in proportion to their traffic.")
    verdict = Verdict.WARN if actions else Verdict.PASS
    return case.finding("009", key, verdict, statement, action=" ".join(actions))
