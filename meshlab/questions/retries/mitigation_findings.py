"""Findings ML-RET-011 to 013: what would have stopped it, what ends it now, and what is wrong as it is configured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import NOT_BOUNDED, duration, number, percent, plural
from meshlab.questions.base import Case
from meshlab.questions.retries.lint import Flaw
from meshlab.questions.retries.whatif import WhatIf

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["configuration", "ends", "stopped"]

_LIKELY: Final = 0.5
_KUBECTL: Final = "kubectl get virtualservices,destinationrules,httproutes -A -o yaml"


def stopped(case: Case, answer: WhatIf) -> Finding:
    """ML-RET-011: whether the policy in force recovers, and the gentlest that does."""
    if answer.calibrated is None:
        return _refused(case, "011", "policies", answer, "What would have stopped it")
    policies: list[Any] = list(answer.policies.itertuples(index=False))
    now, others = policies[0], policies[1:]
    count = sum(policy.recovered for policy in others)
    back = f"recovers {duration(now.recovery_s)} after the trigger" if now.recovered else "does not recover"
    statement = f"The current policy {back}; {count} of {plural(len(others), 'alternative')} do."
    if answer.advised is not None:
        best = next(policy for policy in others if policy.policy == answer.advised.name)
        statement += (
            f" The gentlest is {answer.advised.name}: {duration(best.recovery_s)}, with at most "
            f"{number(best.peak_per_s)} attempts per second instead of {number(now.peak_per_s)}."
        )
    statement += f" The simulator reproduces the recording within {percent(answer.calibrated.missed)}."
    action = f"Apply {answer.advised.name} to the hops of the proposal." if answer.advised is not None else ""
    numbers: dict[str, Any] = {"value": float(count), "unit": "policies that recover"}
    if now.recovered:
        return case.finding("011", "policies.recovers", Verdict.PASS, statement, **numbers)
    return case.finding("011", "policies.stuck", Verdict.WARN, statement, action=action, **numbers)


def ends(case: Case, answer: WhatIf) -> Finding:
    """ML-RET-012: whether retries off are enough, and how much of the load may stay."""
    best = answer.mitigation
    if best is None:
        return _refused(case, "012", "mitigation", answer, "What ends it")
    numbers: dict[str, Any] = {"value": best.load_share, "unit": "share of the load that may stay"}
    if best.by_itself:
        statement = f"It ends by itself after {duration(best.load_share_s)}."
        return case.finding("012", "mitigation.by_itself", Verdict.PASS, statement, **numbers)
    if best.retries_off:
        key, statement = "retries_off", f"Switching retries off ends it after {duration(best.retries_off_s)}."
        action = "Switch the retries off first: it sheds no request."
    else:
        key, statement = "load", "Switching retries off does not end it within a minute."
        action = "Stop the load."
    table = answer.mitigations
    cut = table[table["mitigation"].str.startswith("load cut") & (table["probability"] >= _LIKELY)]
    statement += f" With retries on, {_cut(cut.iloc[0]) if len(cut) else 'no cut of the load is enough'}."
    return case.finding("012", f"mitigation.{key}", Verdict.WARN, statement, action=action, **numbers)


def _cut(row: pd.Series[float]) -> str:
    high = duration(row["high_s"])
    span = f"{duration(row['low_s'])} {'or more' if high == NOT_BOUNDED else f'to {high}'}"
    return (
        f"{row['mitigation']} is the smallest that does: in {percent(row['probability'], 0)} of the draws, after {span}"
    )


def configuration(case: Case, flaws: Sequence[Flaw]) -> Finding:
    """ML-RET-013: what is wrong with the configured policies."""
    if "routes" not in case.evidence.documents:
        return case.not_measured(
            "013",
            "configuration",
            "The configured retries are not known: no telemetry exports them.",
            action=f"Set `routes_file` to what this writes: {_KUBECTL}",
        )
    numbers: dict[str, Any] = {"value": float(len(flaws)), "unit": "flaws"}
    if not flaws:
        statement = "The configured retries and timeouts have no flaw."
        return case.finding("013", "configuration.pass", Verdict.PASS, statement, **numbers)
    first = flaws[0]
    statement = f"{plural(len(flaws), 'flaw')} in the configuration; the first, at {first.service}: {first.statement}"
    return case.finding("013", "configuration.warn", Verdict.WARN, statement, action=first.remedy, **numbers)


def _refused(case: Case, code: str, topic: str, answer: WhatIf, what: str) -> Finding:
    assert answer.refused is not None
    reason = answer.refused.reason
    if answer.idle:
        return case.finding(code, f"{topic}.pass", Verdict.PASS, f"{reason[0].upper()}{reason[1:]}.")
    return case.not_measured(code, topic, f"{what} is not known: {reason}.", action=f"Give {answer.refused.remedy}.")
