"""Findings on supply and on the autoscaler: ML-SCA-004 to 008."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.sanitize import plain
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.hpa import Reason
from meshlab.questions.scaling.lags import start_s, summary
from meshlab.questions.scaling.provisioning import Provisioning
from meshlab.questions.scaling.reversals import churn
from meshlab.questions.scaling.settings import Policy
from meshlab.questions.scaling.what_if import WhatIf

__all__ = ["bounds", "explained", "flapping", "lag_chain", "provisioned"]

Queries = Mapping[str, str]


def provisioned(supply: Provisioning, evidence: Evidence, subject: str, policy: Policy, queries: Queries) -> Finding:
    """ML-SCA-004: how long there were fewer ready replicas than the traffic needed."""
    code, query = "ML-SCA-004", queries.get("replicas", "")
    if supply.refusal:
        lack = evidence.missing.get("replicas")
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=f"not exported: {lack.what}" if lack else f"demand is not known: {plain(supply.refusal)}",
            action=lack.remedy if lack else "",
            query=query,
        )
    verdict = (
        Verdict.FAIL
        if supply.short_low > policy.short_fail
        else Verdict.WARN
        if supply.short > policy.short_warn
        else Verdict.PASS
    )
    was = supply.metrics.iloc[0]
    return Finding(
        code=code,
        verdict=verdict,
        subject=subject,
        statement=(
            f"fewer ready copies than the traffic needed in {supply.short:.1%} of the time (at "
            f"{supply.per_copy:.3g} requests a second a copy), more than needed in {was['time_over']:.1f} %"
        ),
        value=100 * supply.short,
        interval=(100 * supply.short_low, 100 * supply.short_high),
        threshold=100 * policy.short_warn,
        unit="% of time",
        action="" if verdict is Verdict.PASS else "a lower target, a quicker start, or more copies at the least",
        query=query,
    )


def flapping(
    scaler: Autoscaler | None,
    back: pd.DataFrame | None,
    other: WhatIf,
    evidence: Evidence,
    subject: str,
    policy: Policy,
    queries: Queries,
) -> Finding:
    """ML-SCA-005: scale-downs that were undone soon, and the window that would have prevented them."""
    code, query = "ML-SCA-005", queries.get("decided", "")
    if scaler is None or back is None:
        lack = evidence.missing.get("decided")
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=f"not exported: {lack.what}" if lack else "no autoscaler scales this service",
            action=lack.remedy if lack else "",
            query=query,
        )
    known = len(scaler.replayed)
    if not known:
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=subject,
            statement=f"nothing of what {plain(scaler.name)} decided was scraped in the window",
            action="move the window",
            query=query,
        )
    moved, net = churn(scaler.replayed)
    count = len(back)
    if not count:
        return Finding(
            code=code,
            verdict=Verdict.PASS,
            subject=subject,
            statement=(
                f"no scale-down was undone within {max(policy.soon_s, scaler.spec_window_s):.0f} s; {moved:.0f} copies "
                f"were started or stopped"
            ),
            value=0.0,
            threshold=float(policy.reversals_fail),
            unit="reversals",
            query=query,
        )
    each = back["window_s"].to_numpy(np.float64)
    need = float(np.nanmax(each)) if np.any(np.isfinite(each)) else np.nan
    text = (
        f"{count} scale-down{'s were' if count > 1 else ' was'} undone soon ({moved:.0f} copies started or stopped for "
        f"{net:+.0f})"
    )
    if other.window_s is not None:
        action = (
            f"set scaleDown.stabilizationWindowSeconds to {other.window_s:.0f} (now {scaler.spec_window_s:.0f}): "
            f"simulated with this traffic, next to no run is reversed; simulated as it is in force, it comes to "
            f"{other.reproduced}"
        )
    elif np.isfinite(need):
        why = plain(other.refusal) or "no window up to half an hour is enough"
        action = f"a window of {need:.0f} s would have bridged each of them; what it would lead to is not known: {why}"
    else:
        action = plain(other.refusal)
    return Finding(
        code=code,
        verdict=Verdict.FAIL if count >= policy.reversals_fail else Verdict.WARN,
        subject=subject,
        statement=text,
        value=float(count),
        threshold=float(policy.reversals_fail),
        unit="reversals",
        action=action,
        query=query,
    )


def explained(scaler: Autoscaler | None, evidence: Evidence, subject: str, policy: Policy, queries: Queries) -> Finding:
    """ML-SCA-006: how much of the history the algorithm of Kubernetes explains, and what the rest is."""
    code, query = "ML-SCA-006", queries.get("seen", "")
    if scaler is None or scaler.replayed.empty:
        return Finding(
            code=code, verdict=None, required=False, subject=subject, statement="there is no autoscaler to replay"
        )
    done, total = int(scaler.replayed["explained"].sum()), len(scaler.replayed)
    causes = scaler.replayed["cause"].value_counts()
    top = ", ".join(f"{cause} {count}" for cause, count in causes.head(4).items())
    enough = done >= policy.explained * total
    text = f"{done} of {total} sync periods of {plain(scaler.name)} are explained: {plain(top)}"
    return Finding(
        code=code,
        verdict=Verdict.PASS if enough else Verdict.WARN,
        required=False,
        subject=subject,
        statement=f"{text}; {scaler.assumed}" if scaler.assumed else text,
        value=done / total,
        threshold=policy.explained,
        unit="share",
        action=(
            ""
            if enough
            else "give hpa_file the autoscaler's YAML and sync_s the controller's period; else something else scales it"
        ),
        query=query,
    )


def bounds(scaler: Autoscaler | None, subject: str, queries: Queries) -> Finding:
    """ML-SCA-007: how long the autoscaler wanted more than it may."""
    code, query = "ML-SCA-007", queries.get("told", "")
    if scaler is None or scaler.replayed.empty:
        return Finding(
            code=code, verdict=None, required=False, subject=subject, statement="there is no autoscaler with bounds"
        )
    history = scaler.replayed
    wanted = history["recommended"].to_numpy(np.float64)
    most = float(scaler.spec.most)
    with np.errstate(invalid="ignore"):
        # A bound that is met on the way there, and asks for no more afterwards, is no bound.
        held = (wanted > most) & (history["current"].to_numpy(np.float64) >= most)
    share = float(held.mean())
    blind = float((history["cause"] == Reason.NO_METRIC.value).mean())
    text = (
        f"{plain(scaler.name)} has {scaler.spec.least} to {scaler.spec.most} copies and wanted more in {share:.1%} of "
        "its sync periods"
    )
    action = []
    if share > 0:
        action.append(f"raise maxReplicas above {most:.0f}, or the target")
    if blind > 0:
        text += f"; in {blind:.1%} its metric was missing"
        action.append("find out why the metric was missing: it scales down no more then")
    return Finding(
        code=code,
        verdict=Verdict.WARN if action else Verdict.PASS,
        required=False,
        subject=subject,
        statement=text,
        value=100 * share,
        unit="% of periods",
        action="; ".join(action),
        query=query,
    )


def lag_chain(chain: pd.DataFrame, evidence: Evidence, subject: str, queries: Queries) -> Finding:
    """ML-SCA-008: from the metric's crossing to a new copy's first request."""
    code, query = "ML-SCA-008", queries.get("pods", "")
    whole = start_s(chain) if len(chain) else None
    if whole is None:
        lack = evidence.missing.get("pods")
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=f"not exported: {lack.what}" if lack else "no pod was started by the autoscaler in the window",
            action=lack.remedy if lack else "",
            query=query,
        )
    table = summary(chain)
    middles = zip(table["part"], table["p50_s"].to_numpy(np.float64), strict=True)
    parts = ", ".join(f"{part} {middle:.1f} s" for part, middle in middles if np.isfinite(middle))
    return Finding(
        code=code,
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"{len(chain)} pods were ready {whole:.1f} s after the decision in the middle ({parts})",
        value=whole,
        unit="s",
        query=query,
    )
