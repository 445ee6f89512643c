"""Findings on supply and on the autoscaler: ML-SCA-004 to 008."""

from __future__ import annotations

from typing import Any

import numpy as np

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import difference, duration, number, percent
from meshlab.questions.base import Case
from meshlab.questions.scaling.analysis import Analysis
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.capacity_findings import graded, sentence
from meshlab.questions.scaling.hpa import Reason
from meshlab.questions.scaling.lags import start_s, summary
from meshlab.questions.scaling.reversals import churn

__all__ = ["bounds", "flapping", "provisioning", "replay", "start_up"]

_WINDOW = "`scaleDown.stabilizationWindowSeconds`"


def provisioning(case: Case, about: Analysis) -> Finding:
    """ML-SCA-004: how long there were fewer ready replicas than the traffic needed."""
    supply, settings, scaler = about.supply, case.settings, about.scaler
    if supply.refusal:
        return _absent(case, "004", "provisioning", "replicas", f"Demand is unknown: {supply.refusal}.")
    verdict = graded(supply.short, settings.short_warn, settings.short_fail, surely=supply.short_low)
    action = f"Scale out to {supply.moments['needed'].max():.0f} replicas for the peak."
    if scaler:
        action = f"Raise `minReplicas` of {_name(case, scaler)}, or lower the target of its metric."
    return case.finding(
        "004",
        f"provisioning.{verdict.lower()}",
        verdict,
        f"Fewer replicas were ready than the traffic needed in {percent(supply.short)} of the time (at "
        f"{number(supply.replica_per_s)} rps per replica), more than needed in "
        f"{percent(supply.metrics['time_over'].iloc[0] / 100)}.",
        required=True,
        query="replicas",
        value=100 * supply.short,
        interval=(100 * supply.short_low, 100 * supply.short_high),
        threshold=100 * settings.short_warn,
        unit="% of time",
        action="" if verdict is Verdict.PASS else action,
    )


def flapping(case: Case, about: Analysis) -> Finding:
    """ML-SCA-005: scale-downs that were soon reversed, and the window that would have prevented them."""
    scaler, settings = about.scaler, case.settings
    parts: dict[str, Any] = {"required": True, "query": "status"}
    if scaler is None:
        return _absent(case, "005", "flapping", "status", "No autoscaler scales this service.")
    if scaler.replayed.empty:
        statement = f"No decision of {_name(case, scaler)} was scraped in the window."
        parts["action"] = "Move the window to where kube-state-metrics was scraped."
        return case.finding("005", "flapping.no_history", Verdict.INCONCLUSIVE, statement, **parts)
    moved, net = churn(scaler.replayed)
    count = len(about.reversals)
    soon = duration(max(settings.soon_s, scaler.down_window_s))
    verdict = Verdict.FAIL if count >= settings.reversals_fail else Verdict.WARN if count else Verdict.PASS
    which = "No scale-down was" if not count else "1 scale-down was" if count == 1 else f"{count} scale-downs were"
    statement = f"{which} reversed within {soon} ({moved:.0f} pod starts and stops, net change {difference(net)})."
    if about.what_if.window_s is not None:
        statement += f" Simulated, the current settings give {about.what_if.reproduced}."
    return case.finding(
        "005",
        f"flapping.{verdict.lower()}",
        verdict,
        statement,
        value=float(count),
        threshold=float(settings.reversals_fail),
        unit="reversals",
        action=_calmer(case, about, scaler) if count else "",
        **parts,
    )


def _calmer(case: Case, about: Analysis, scaler: Autoscaler) -> str:
    """What would stop the reversals: a simulated window, else the one that bridges those that happened."""
    other, name = about.what_if, _name(case, scaler)
    if other.window_s is not None:
        change = f"to {other.window_s:.0f} (now {scaler.down_window_s:.0f})"
        return f"Set {_WINDOW} of {name} {change}: simulated with this traffic, almost no run flaps."
    why = other.refusal or "no window up to half an hour is sufficient"
    bridging_s = about.reversals["window_s"].max()
    if not np.isfinite(bridging_s):
        return f"Raise {_WINDOW} of {name}; the value is unknown: {why}."
    return f"Set {_WINDOW} of {name} to {bridging_s:.0f}: it bridges each reversal. Not simulated: {why}."


def replay(case: Case, about: Analysis) -> Finding:
    """ML-SCA-006: how much of the history the algorithm of Kubernetes explains, and the causes."""
    scaler = about.scaler
    if scaler is None or scaler.replayed.empty:
        return case.not_measured("006", "replay", "There is no autoscaler to replay.")
    explained, total = int(scaler.replayed["explained"].sum()), len(scaler.replayed)
    causes = scaler.replayed["cause"].value_counts().head(4)
    top = ", ".join(f"{cause} {count}" for cause, count in causes.items())
    enough = explained >= case.settings.explained * total
    statement = f"Kubernetes' algorithm explains {explained} of {total} sync periods of {_name(case, scaler)}: {top}."
    action = (
        "Set `hpa_file` to the autoscaler's YAML and `sync_s` to the controller's sync period; if that does not help, "
        f"find what else scales `{scaler.workload}`."
    )
    return case.finding(
        "006",
        f"replay.{'explained' if enough else 'unexplained'}",
        Verdict.PASS if enough else Verdict.WARN,
        f"{statement} {scaler.assumption}".strip(),
        query="observed",
        value=explained / total,
        threshold=case.settings.explained,
        unit="share",
        action="" if enough else action,
    )


def bounds(case: Case, about: Analysis) -> Finding:
    """ML-SCA-007: how long the autoscaler needed more replicas than its maximum."""
    scaler = about.scaler
    if scaler is None or scaler.replayed.empty:
        return case.not_measured("007", "bounds", "There is no autoscaler with bounds.")
    history, most = scaler.replayed, float(scaler.spec.max_replicas)
    # A maximum that is met on the way there, and is enough afterwards, does not hold anything back.
    limited = (history["recommended"] > most) & (history["current"] >= most)
    share, blind = float(limited.mean()), float((history["cause"] == Reason.NO_METRIC.value).mean())
    name = _name(case, scaler)
    statement = f"{name} (`maxReplicas` {most:.0f}) needed more replicas in {percent(share)} of its sync periods"
    actions = []
    if share > 0:
        wanted = history.loc[limited, "recommended"].max()
        actions.append(f"Raise `maxReplicas` of {name} above {most:.0f} (its metrics asked for up to {wanted:.0f}).")
    if blind > 0:
        statement += f"; in {percent(blind)} a metric was missing"
        actions.append(f"Restore the metrics of {name}: without them it does not scale down.")
    return case.finding(
        "007",
        f"bounds.{'limited' if share > 0 else 'blind' if blind > 0 else 'sufficient'}",
        Verdict.WARN if actions else Verdict.PASS,
        sentence(statement),
        query="bounds",
        value=100 * share,
        unit="% of periods",
        action=" ".join(actions),
    )


def start_up(case: Case, about: Analysis) -> Finding:
    """ML-SCA-008: from the metric's crossing to a new pod's first request."""
    whole_s = start_s(about.lags)
    if whole_s is None:
        return _absent(case, "008", "start", "pods", "The autoscaler started no pod in the window.")
    table = summary(about.lags).dropna(subset=["p50_s"])
    parts = ", ".join(f"{part} {duration(median)}" for part, median in zip(table["part"], table["p50_s"], strict=True))
    pods = f"{len(about.lags)} pods; {parts}"
    statement = f"The median time from scaling decision to ready pod is {duration(whole_s)} ({pods})."
    return case.finding("008", "start.measured", Verdict.PASS, statement, query="pods", value=whole_s, unit="s")


def _absent(case: Case, number: str, key: str, need: str, otherwise: str) -> Finding:
    """Not measured, as the exporters lack what it needs, or for another reason."""
    lack = case.missing(need)
    reason = f"The exporters have no {lack.what}." if lack else otherwise
    return case.not_measured(number, key, reason, need=need, query=need)


def _name(case: Case, scaler: Autoscaler) -> str:
    namespace = case.subject.namespace if case.subject else ""
    return f"autoscaler `{f'{namespace}/{scaler.name}'.strip('/')}`"
