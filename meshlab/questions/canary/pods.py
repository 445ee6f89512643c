"""Do the arms' pods live under like conditions: since when, how many, how busy, and did they stay up?"""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import duration, number, plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS, ArmFrames
from meshlab.questions.canary.tables import TABLES

__all__ = ["pods", "pods_finding"]

_UNLIKE: Final = 4.0
"""Times as many requests a pod from which the arms' pods are not alike."""


def pods(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """The arms' pods as the service's own proxies name them in the whole window: the table ``pods``."""
    if "destination_instance" not in frame or frame.empty:
        return TABLES["pods"].empty()
    rows = frame[(frame["destination_instance"] != "") & (frame["count"] > 0)]
    names = rows["arm"].map(dict(zip(ARMS, arms_of(case).names, strict=True)))
    table = rows.groupby([names, "destination_instance"]).agg(
        requests=("count", "sum"), first_seen=("time", "min"), last_seen=("time", "max")
    )
    table = table.rename_axis(["arm", "pod"]).reset_index()
    restarts = case.frame("restarts")
    counted = dict(restarts.groupby("destination_instance")["restarts"].max()) if len(restarts) else {}
    return table.assign(restarts=[int(counted.get(pod, 0)) for pod in table["pod"]])


def pods_finding(case: Case, table: pd.DataFrame, frames: ArmFrames) -> Finding:
    """ML-CAN-009: whether the arms started alike, have pods that are as busy, and stayed up."""
    arms = arms_of(case)
    statement = "Both versions served requests from the window's start."
    if frames.late:
        late = dict(zip(ARMS, arms.names, strict=True))[frames.late]
        statement = (
            f"{late} served its first requests {duration(frames.started_s)} after the window's start; all "
            f"before that and {case.settings.warm_up_s} s of warm-up are left out."
        )
    sums = table.groupby("arm").agg(pods=("pod", "size"), requests=("requests", "sum"), restarts=("restarts", "sum"))
    if len(sums) < 2:
        statement += " The metrics do not name the pods of both versions."
        return case.finding("009", "pods.not_measured", None, statement, action="Let the scraper set a label `pod`.")
    sums, each = sums.loc[list(arms.names)], sums["requests"] / sums["pods"]
    ran = " and ".join(f"{plural(count, 'pod')} of {arm}" for arm, count in sums["pods"].items())
    statement += f" {ran} served {' and '.join(f'{each[arm]:,.0f}' for arm in arms.names)} requests each."
    for arm, count in sums["restarts"].items():
        statement += f" Pods of {arm} restarted {plural(count, 'time')}." if count else ""
    key, actions = "pods.alike", []
    if sums["restarts"][arms.canary]:
        key = "pods.restarts"
        actions.append(f"Find out why pods of {arms.canary} restart: start-up counts as their latency.")
    if (times := each.max() / max(each.min(), 1.0)) > _UNLIKE:
        key, less = "pods.unlike_load", each.idxmin()
        statement += f" A pod of {less} serves {number(times, 2)} times fewer requests, which makes it look better."
        actions.append("Scale both versions in proportion to their traffic.")
    verdict = Verdict.WARN if actions else Verdict.PASS
    return case.finding("009", key, verdict, statement, action=" ".join(actions))
