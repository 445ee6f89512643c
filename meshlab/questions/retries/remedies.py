"""Findings ML-RET-011 to 013: what would have stopped it, what ends it now, and what is wrong as it is configured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from meshlab.core.results import Finding, Result, Verdict
from meshlab.core.sanitize import plain
from meshlab.display.preformatted import Text
from meshlab.questions.retries.advice import propose
from meshlab.questions.retries.lint import Flaw
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.whatif import WhatIf

__all__ = ["ends", "flaw_table", "flaws", "proposal", "stopped", "written"]

_LIKELY = 0.5


def stopped(said: WhatIf, subject: str) -> Finding:
    """ML-RET-011: whether the policy in force recovers, and the gentlest that does."""
    code = "ML-RET-011"
    if said.refused or said.known is None:
        return _refused(code, said, subject, "what would have stopped it")
    table = said.policies.set_index("policy")
    now = table.iloc[0]
    again = (
        f"as it is it comes back {now['recovery_s']:.0f} s after the trigger"
        if now["recovered"]
        else "as it is it does not come back"
    )
    others = table.iloc[1:]
    count = int(others["recovered"].sum())
    told = f"{again}; {count} of {len(others)} other policies do"
    action = ""
    if said.advised is not None:
        best = table.loc[said.advised.name]
        told += (
            f", {said.advised.name} after {best['recovery_s']:.0f} s with at most {best['peak_per_s']:.3g} "
            f"attempts a second for {now['peak_per_s']:.3g}"
        )
        action = "" if now["recovered"] else f"{said.advised.name} on the hops of the table, as the proposal has it"
    sure = f" (what was measured is missed by {said.known.missed:.1%} at most)"
    return Finding(
        code=code,
        verdict=Verdict.PASS if now["recovered"] else Verdict.WARN,
        required=False,
        subject=subject,
        statement=told + sure,
        value=float(count),
        unit="policies that recover",
        action=action,
    )


def ends(said: WhatIf, subject: str) -> Finding:
    """ML-RET-012: whether retries off are enough, and how much of the load may stay."""
    code = "ML-RET-012"
    if said.refused or said.cure is None:
        return _refused(code, said, subject, "what ends it")
    cure = said.cure
    if cure.by_itself:
        told, action = f"it ends by itself after {cure.load_share_s:.0f} s", ""
    else:
        told = (
            f"switching retries off ends it after {cure.retries_off_s:.0f} s"
            if cure.retries_off
            else "switching retries off does not end it within a minute"
        )
        cut = said.cures[said.cures["help"].str.startswith("load cut")]
        works = cut[cut["probability"] >= _LIKELY]
        told += (
            f"; with retries on, {works.iloc[0]['help']} ends it in {works.iloc[0]['probability']:.0%} of the draws, "
            f"after {_span(works.iloc[0]['low_s'], works.iloc[0]['high_s'])}, and no smaller one does"
            if len(works)
            else "; with retries on, no cut of the load is enough"
        )
        action = "switch retries off first: it sheds no request" if cure.retries_off else "stop the load"
    return Finding(
        code=code,
        verdict=Verdict.PASS if cure.by_itself else Verdict.WARN,
        required=False,
        subject=subject,
        statement=told,
        value=cure.load_share,
        unit="share of the load that may stay",
        action=action,
    )


def flaws(found: Sequence[Flaw], policy: Policy, subject: str) -> Finding:
    """ML-RET-013: what is wrong with the configured policies."""
    code = "ML-RET-013"
    if not policy.routes_file:
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement="how retries are configured is not known: no telemetry tells it",
            action="give routes_file: kubectl get virtualservices,destinationrules,httproutes -A -o yaml",
        )
    if not found:
        told = "nothing is wrong with the configured retries and time-outs"
        return Finding(
            code=code, verdict=Verdict.PASS, required=False, subject=subject, statement=told, value=0.0, unit="flaws"
        )
    first = found[0]
    return Finding(
        code=code,
        verdict=Verdict.WARN,
        required=False,
        subject=subject,
        statement=f"{len(found)} flaws in the configuration; the first, at {first.service}: {first.statement}",
        value=float(len(found)),
        unit="flaws",
        action=first.remedy,
    )


def flaw_table(found: Sequence[Flaw]) -> pd.DataFrame:
    """``fault, service, statement, remedy``."""
    rows = [(flaw.fault.value, flaw.service, flaw.statement, flaw.remedy) for flaw in found]
    return pd.DataFrame(rows, columns=["fault", "service", "statement", "remedy"])


def proposal(said: WhatIf) -> pd.DataFrame:
    """The advised policy as YAML, a row a hop: ``destination_service, policy, istio, gateway, notes``."""
    columns = ["destination_service", "policy", "istio", "gateway", "notes"]
    if said.advised is None or said.force is None:
        return pd.DataFrame(columns=columns)
    rows = []
    for hop, row in zip(said.advised.hops, said.force.table.itertuples(index=False), strict=True):
        written = propose(str(row.destination_service), str(row.destination_namespace), hop)
        name = plain(str(row.destination_service))
        rows.append((name, said.advised.name, written.istio, written.gateway, "; ".join(written.notes)))
    return pd.DataFrame(rows, columns=columns)


def _span(low_s: float, high_s: float) -> str:
    return f"{low_s:.0f} to {high_s:.0f} s" if math.isfinite(high_s) else f"{low_s:.0f} s and more"


def written(result: Result) -> Text:
    """The proposal for all hops as one text of YAML, for Istio; empty where there is none.

    Parameters
    ----------
    result : Result
        Of `judge`.
    """
    return Text("".join(result.tables["proposal"]["istio"]))


def _refused(code: str, said: WhatIf, subject: str, what: str) -> Finding:
    assert said.refused is not None
    nothing = said.idle
    return Finding(
        code=code,
        verdict=Verdict.PASS if nothing else None,
        required=False,
        subject=subject,
        statement=said.refused.reason if nothing else f"{what} is not known: {said.refused.reason}",
        action="" if nothing else f"give {said.refused.remedy}",
    )
