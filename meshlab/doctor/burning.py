"""What burns: errors, retries, plaintext, certificates and autoscalers, the worst of each with numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.display.numbers import duration, number, percent, plural
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.outcomes import is_error
from meshlab.telemetry.triage import Triage

__all__ = ["Burning", "burning"]

_KEYS: Final = list(IDENTITY)
_LEAST_SHARE: Final = 0.005
_LEAST_FAILED: Final = 5
_LEAST_AMPLIFICATION: Final = 1.1
_SOON_S: Final = 3_600
_PLAINTEXT: Final = 0.04
"""How bad plaintext alone is: less than one error in a hundred; what comes in from outside is plaintext at any door."""
_PLAIN: Final = frozenset({"none", "no_identity", "disabled", "false", "no_tls"})


@dataclass(frozen=True, slots=True)
class Burning:
    """One thing that burns.

    Parameters
    ----------
    kind : str
        ``errors``, ``retries``, ``plaintext``, ``certificates`` or ``autoscalers``.
    subject : Subject
        The service or workload.
    text : str
        What is wrong, with its number.
    severity : float
        0..1, to compare things of different kinds.
    """

    kind: str
    subject: Subject
    text: str
    severity: float


def burning(triage: Triage) -> Iterator[list[Burning]]:
    """What burns, kind by kind: each list has its worst first.

    Parameters
    ----------
    triage : Triage
        Each kind asks its own few queries, so that whoever has a budget can stop in between.
    """
    for find in (_errors, _retries, _plaintext, _autoscalers, _certificates):
        found = list(find(triage))
        yield sorted(found, key=lambda each: (-each.severity, str(each.subject)))


def _errors(triage: Triage) -> Iterator[Burning]:
    side = next((s for s in triage.sides.values() if len(s)), pd.DataFrame(columns=[*_KEYS, "requests"]))
    for subject, row in _shares(side.assign(bad=side["requests"].where(is_error(side), 0.0))):
        if row["bad"] >= _LEAST_FAILED and row["share"] >= _LEAST_SHARE:
            text = f"{percent(row['share'])} of {row['requests']:,.0f} requests failed"
            yield Burning("errors", subject, text, min(1.0, 5 * row["share"]))


def _retries(triage: Triage) -> Iterator[Burning]:
    keys = ["destination_namespace", "destination_service"]
    source = triage.sides[Reporter.SOURCE]
    sums = source[source["destination_service"] != ""].groupby(keys)["requests"].sum().reset_index()
    table = triage.retries.merge(sums, on=keys)
    logical = table["requests"] - (table["retries"] if triage.mesh.counts_attempts else 0.0)
    table = table[logical > 0].assign(amplification=1 + table["retries"] / logical)
    for namespace, service, retries, amplification in table[[*keys, "retries", "amplification"]].itertuples(
        index=False, name=None
    ):
        if amplification >= _LEAST_AMPLIFICATION and retries >= _LEAST_FAILED:
            text = f"{number(amplification)} attempts a request, {retries:,.0f} retries"
            severity = min(1.0, 0.5 * (amplification - 1))
            yield Burning("retries", Subject("", namespace, service), text, severity)


def _plaintext(triage: Triage) -> Iterator[Burning]:
    side = triage.sides[Reporter.DESTINATION]
    for subject, row in _shares(side.assign(bad=side["requests"].where(side["tls"].isin(_PLAIN), 0.0))):
        if row["bad"] >= 1:
            text = f"{percent(row['share'])} of {row['requests']:,.0f} requests in plaintext"
            yield Burning("plaintext", subject, text, _PLAINTEXT * row["share"])


def _autoscalers(triage: Triage) -> Iterator[Burning]:
    table = triage.autoscalers
    full = table[table["current"] >= table["most"]]
    for *place, most in full[["cluster", "namespace", "workload", "most"]].itertuples(index=False, name=None):
        subject = Subject(*place)
        text = f"the autoscaler is at its maximum of {plural(int(most), 'replica')}"
        yield Burning("autoscalers", subject, text, 0.25)


def _certificates(triage: Triage) -> Iterator[Burning]:
    table, now_s = triage.certificates, triage.window.end_ms / 1_000
    soon = table[table["value"] < now_s + _SOON_S]
    for *place, name, end in soon[["cluster", "namespace", "pod", "name", "value"]].itertuples(index=False, name=None):
        left, subject = float(end) - now_s, Subject(*place)
        what = f"the certificate {plain(name)}" if name else "a certificate"
        text = f"{what} expires in {duration(left)}" if left > 0 else f"{what} expired {duration(-left)} ago"
        yield Burning("certificates", subject, text, 0.2 if left > 0 else 1.0)


def _shares(side: pd.DataFrame) -> Iterator[tuple[Subject, pd.Series[float]]]:
    """The services that have a name, with ``requests``, ``bad`` and the ``share`` of these."""
    named = side[side["destination_service"] != ""] if len(side) else side
    sums = named.groupby(_KEYS)[["requests", "bad"]].sum()
    sums["share"] = sums["bad"] / sums["requests"]
    sums = sums[sums["requests"] > 0].reset_index()
    for at, place in enumerate(sums[_KEYS].itertuples(index=False, name=None)):
        yield Subject(*place), sums.iloc[at]
