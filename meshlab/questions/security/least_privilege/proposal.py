"""What to allow, and what was seen and is not allowed, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.counts import Counts
from meshlab.questions.security.least_privilege.names import is_namespace, is_principal, is_workload
from meshlab.questions.security.least_privilege.observed import TARGET, WORDS, between, edges, ends_ms

__all__ = ["Grant", "Leftover", "Proposal", "Traffic", "Why", "propose"]


class Why(StrEnum):
    """Why traffic that was seen has no rule."""

    UNIDENTIFIED = "no identity: plaintext, or a caller that the server could not name"
    DENIED = "denied: every request was answered with 403"
    MALFORMED = "the names are not those that Kubernetes and SPIFFE allow"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests behind a line.

    Parameters
    ----------
    requests : int
    first, last : Timestamp
        Ends of the first and the last block with such a request.
    rate_per_s : float or None
        Over the whole span of the frame; None where that is a single moment.
    """

    requests: int
    first: pd.Timestamp
    last: pd.Timestamp
    rate_per_s: float | None

    def __str__(self) -> str:
        rate = "rate not known" if self.rate_per_s is None else f"{self.rate_per_s:.3g}/s"
        first, last = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (self.first, self.last))
        return f"{self.requests} requests, {rate}, first {first}, last {last}"


@dataclass(frozen=True, slots=True)
class Grant:
    """One principal that may call one workload.

    Parameters
    ----------
    namespace, workload : str
        What is called.
    services : tuple of str
        Under which names it was called by anybody with a rule.
    principal : str
        Without ``spiffe://``.
    traffic : Traffic
    """

    namespace: str
    workload: str
    services: tuple[str, ...]
    principal: str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Leftover:
    """Traffic without a rule. Its names are hostile text, as the labels had them."""

    namespace: str
    workload: str
    source: str
    principal: str
    why: Why
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Proposal:
    """The smallest set of rules under which the identified traffic that was let through still passes.

    Parameters
    ----------
    grants : tuple of Grant
        Sorted, without duplicates.
    leftovers : tuple of Leftover
    """

    grants: tuple[Grant, ...]
    leftovers: tuple[Leftover, ...]

    def targets(self) -> Iterator[tuple[str, str, tuple[Grant, ...]]]:
        """Namespace, workload and its grants; a workload that nobody identified called is not among them."""
        by: dict[tuple[str, str], list[Grant]] = {}
        for grant in self.grants:
            by.setdefault((grant.namespace, grant.workload), []).append(grant)
        for (namespace, workload), grants in by.items():
            yield namespace, workload, tuple(grants)

    @property
    def unprotected(self) -> tuple[tuple[str, str], ...]:
        """Workloads that were called, and for which no policy is proposed: one without a rule would deny all."""
        kept = {(grant.namespace, grant.workload) for grant in self.grants}
        return tuple(sorted({(left.namespace, left.workload) for left in self.leftovers} - kept))


_LEFT: Final = (*TARGET, "source", "principal")


def propose(counts: Counts, until_ms: int | None = None) -> Proposal:
    """Make rules of observed traffic.

    Parameters
    ----------
    counts : Counts
        As `collect` answers.
    until_ms : int, optional
        Nothing after this is looked at, unix milliseconds.
    """
    counts = counts.by([word for word in WORDS if word in counts.words])
    times = ends_ms(counts)
    times = times if until_ms is None else times[times <= until_ms]
    if not len(times):
        return Proposal((), ())
    rows = edges(between(counts, until_ms=until_ms))
    if rows.empty:
        return Proposal((), ())
    # Blocks are named by their ends, so the first one began a block earlier.
    span_s = float(times[-1] - times[0] + (np.diff(times).min() if len(times) > 1 else 0)) / 1000
    well = rows["principal"].map(is_principal) & rows[TARGET[0]].map(is_namespace) & rows[TARGET[1]].map(is_workload)
    named = rows["principal"].ne("")
    passed = rows[named & well.astype(bool) & ~rows["denied"]]
    services = {
        key: tuple(sorted(set(some) - {""})) for key, some in passed.groupby(list(TARGET))["destination_service"]
    }
    grants = [
        Grant(ns, workload, services[ns, workload], principal, traffic)
        for (ns, workload, principal), traffic in _traffic(passed, (*TARGET, "principal"), span_s)
    ]
    reasons = {
        Why.UNIDENTIFIED: rows[~named],
        Why.MALFORMED: rows[named & ~well.astype(bool)],
        Why.DENIED: rows[named & well.astype(bool) & rows["denied"]],
    }
    granted = {(grant.namespace, grant.workload, grant.principal) for grant in grants}
    leftovers = [
        Leftover(ns, workload, source, principal, why, traffic)
        for why, some in reasons.items()
        for (ns, workload, source, principal), traffic in _traffic(some, _LEFT, span_s)
        # Some denials beside answers are no reason to leave a caller out.
        if not (why is Why.DENIED and (ns, workload, principal) in granted)
    ]
    return Proposal(tuple(grants), tuple(leftovers))


def _traffic(rows: pd.DataFrame, by: tuple[str, ...], span_s: float) -> Iterator[tuple[tuple[str, ...], Traffic]]:
    if rows.empty:
        return
    found = rows.groupby(list(by), sort=True).agg(
        requests=("count", "sum"), first=("first", "min"), last=("last", "max")
    )
    for key, requests, first, last in zip(found.index, found["requests"], found["first"], found["last"], strict=True):
        rate = float(requests) / span_s if span_s > 0 else None
        yield key, Traffic(int(requests), first, last, rate)
