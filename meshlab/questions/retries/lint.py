"""What is wrong with retry policies as they are configured, before anything fails."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.display.numbers import duration, number, plural
from meshlab.questions.retries.routes import EdgePolicy

__all__ = ["Fault", "Flaw", "lint"]

_UNLIMITED: Final = 2**32 - 1
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
# Retries after these conditions cannot have done anything at the server.
_NEVER_ARRIVED: Final = frozenset({"connect-failure", "refused-stream", "reset-before-request"})


class Fault(StrEnum):
    """What can be wrong."""

    DOES_NOT_FIT = "TRIES_DO_NOT_FIT"
    LAYERS = "RETRIES_AT_SEVERAL_LAYERS"
    UNBOUNDED = "RETRIES_UNBOUNDED"
    BUDGET_ALONE = "BUDGET_ALONE"
    BUDGET_DROPPED = "BUDGET_DROPPED_WITH_SUBSETS"
    BUDGET_TINY = "BUDGET_OF_0.2_PERCENT"
    NOT_IDEMPOTENT = "POST_RETRIED"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong; the service's name is harmless to print."""

    fault: Fault
    service: str
    statement: str
    remedy: str


def lint(policies: Iterable[EdgePolicy], paths: Sequence[Sequence[str]] = ()) -> tuple[Flaw, ...]:
    """Find what is wrong.

    Parameters
    ----------
    policies : iterable of EdgePolicy
    paths : sequence of sequence of str, optional
        Services in the order in which a request calls them. Without it all services that are given are taken for one
        path, as the worst that may be.

    Returns
    -------
    tuple of Flaw
        In the order of the policies, what concerns several of them last.
    """
    known = list(policies)
    flaws = [Flaw(f, plain(p.service), *texts) for p in known if p.retries for f, *texts in _of_one(p)]
    return (*flaws, *_layers(known, paths))


def _of_one(policy: EdgePolicy) -> Iterator[tuple[Fault, str, str]]:
    """Fault, statement and remedy of what is wrong with one policy."""
    needed = duration(policy.needed_s)
    if policy.per_try_s and policy.route_s and policy.needed_s > policy.route_s:
        fitting = max(int(policy.route_s // policy.per_try_s), 1) - 1
        yield (
            Fault.DOES_NOT_FIT,
            f"{policy.retries + 1} tries of {duration(policy.per_try_s)} and their pauses take {needed}, "
            f"and the route ends after {duration(policy.route_s)}.",
            f"Set the route's `timeout` to {needed}, or `attempts` to {fitting}.",
        )
    budget = policy.budget_percent
    if budget is not None and policy.budget_alone:
        yield (
            Fault.BUDGET_ALONE,
            "The retry budget is the only entry of the traffic policy, and Istio refuses or ignores it then.",
            "Add `connectionPool.http.maxRetries` to the traffic policy.",
        )
    if budget is not None and policy.budget_in_subset:
        yield (
            Fault.BUDGET_DROPPED,
            "Subsets have a traffic policy of their own, and the service's retry budget is dropped for them.",
            "Repeat the budget in each subset's `trafficPolicy`, and check the proxy's configuration.",
        )
    if budget is not None and 0 < budget < 1:
        yield (
            Fault.BUDGET_TINY,
            f"The retry budget is {number(budget)} % of the requests, so only its minimum counts.",
            "Set `percent` to 20 for 20 %, and check the proxy: some releases of Istio took the default for 0.2 %.",
        )
    effective = budget is not None and not (policy.budget_alone or policy.budget_in_subset)
    if not effective and (policy.max_retries is None or policy.max_retries >= _UNLIMITED):
        yield (
            Fault.UNBOUNDED,
            f"Nothing bounds how many retries are in flight: Istio's default limit is {_UNLIMITED}.",
            "Set a retry budget of 20 %, or `connectionPool.http.maxRetries`.",
        )
    unsafe = {method.upper() for method in policy.methods} - _SAFE
    conditions = set(policy.on) - _NEVER_ARRIVED
    if unsafe and conditions:
        yield (
            Fault.NOT_IDEMPOTENT,
            f"{_listed(unsafe)} is retried after {_listed(conditions)}: what was done once may be done again.",
            f"Set `retryOn` to {','.join(sorted(_NEVER_ARRIVED))}, or make the method idempotent.",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(plain, names)))


def _layers(known: Sequence[EdgePolicy], paths: Sequence[Sequence[str]]) -> Iterator[Flaw]:
    most: dict[str, int] = {}
    for policy in known:
        most[policy.service] = max(most.get(policy.service, 0), policy.retries)
    for path in paths or [list(most)]:
        layers = [service for service in path if most.get(service, 0)]
        if len(layers) > 1:
            worst = plural(math.prod(most[service] + 1 for service in layers), "attempt")
            yield Flaw(
                Fault.LAYERS,
                plain(layers[-1]),
                f"{len(layers)} layers retry ({', '.join(map(plain, layers))}): one request may become {worst}.",
                "Retry at one layer, the one next to what fails, and bound it by a budget.",
            )
