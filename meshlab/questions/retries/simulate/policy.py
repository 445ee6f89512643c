"""What a hop may do after a failed try, and what bounds it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

__all__ = ["Concurrency", "Hop", "Limit", "Ratio", "RetryPolicy", "Tokens", "alternatives"]

# Envoy's back-off: full jitter below a bound that doubles with each try, ten times the base at most.
_CAP: Final = 10.0


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Envoy's: so many retries at once. `max_retries` is this with no percentage.

    A place is taken from the decision to retry until that try has ended: a retry that times out holds it for the
    timeout, one that is refused at once for milliseconds. That is why it bounds timeouts and hardly refusals.

    Parameters
    ----------
    least : float
        `min_retry_concurrency`, or `max_retries`.
    percent : float
        Of the requests that are active and pending.
    """

    least: float
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """Linkerd's: retries as a share of requests.

    Parameters
    ----------
    share : float
        Retries for each first try, 0..1.
    least_per_s : float
        Retries a second that are always allowed.
    ttl_s : float
        How long a request counts.
    """

    share: float
    least_per_s: float = 10.0
    ttl_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """A bucket that successes fill and retries empty (M. Brooker, 2022; the AWS SDKs).

    Parameters
    ----------
    per_success : float
        What a success puts in; a retry takes 1.
    most : float
        What the bucket holds, and begins with.
    """

    per_success: float = 0.1
    most: float = 10.0


Limit = Concurrency | Ratio | Tokens


@dataclass(frozen=True, slots=True)
class Hop:
    """A caller's route to the next service.

    Parameters
    ----------
    retries : int
        After the first try.
    per_try_s : float
        How long a try may last; 0 for no such timeout.
    route_s : float
        How long all tries together may last; 0 for no such timeout.
    back_off_s : float
        Base of the pause before a retry: uniform below ``(2^k - 1) x base`` before the k-th.
    limit : Concurrency, Ratio, Tokens or None
    """

    retries: int = 0
    per_try_s: float = 0.0
    route_s: float = 15.0
    back_off_s: float = 0.025
    limit: Limit | None = None

    def pause_s(self, retry: int) -> float:
        """Mean pause before the retry of this number; the first is 1."""
        return min((2.0**retry - 1.0) * self.back_off_s, _CAP * self.back_off_s) / 2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A name, and what every hop does, the outermost first.

    Parameters
    ----------
    name : str
    hops : tuple of Hop
    off_from_s : float
        When retries are switched off at run time, seconds from the first step.
    """

    name: str
    hops: tuple[Hop, ...] = field(default=())
    off_from_s: float = float("inf")

    def each(self, name: str, **changes: object) -> RetryPolicy:
        """The same with these fields changed at every hop."""
        return replace(self, name=name, hops=tuple(replace(hop, **changes) for hop in self.hops))  # type: ignore[arg-type]

    def only(self, name: str, layer: int) -> RetryPolicy:
        """The same with retries at one hop alone; -1 is the one next to the service."""
        kept = layer % len(self.hops)
        hops = tuple(hop if at == kept else replace(hop, retries=0) for at, hop in enumerate(self.hops))
        return replace(self, name=name, hops=hops)


_BUDGET: Final = Concurrency(least=3, percent=20)


def alternatives(force: RetryPolicy) -> list[RetryPolicy]:
    """The policy in force, and those that people reach for in its place, in the words of who configures them."""
    policies = [force, force.each("no retries", retries=0)]
    if max(hop.retries for hop in force.hops) > 1:
        policies.append(force.each("1 retry", retries=1))
    if len(force.hops) > 1:
        policies += [
            force.only("at the last hop only", -1),
            force.only("at the first hop only", 0),
            force.only("", -1).each("budget of 20 %, at the last hop only", limit=_BUDGET),
        ]
    policies += [
        force.each("budget of 20 %", limit=_BUDGET),
        force.each("budget of 10 %", limit=Concurrency(least=1, percent=10)),
        force.each("max_retries 3", limit=Concurrency(least=3)),
        force.each("Linkerd's budget of 20 %", limit=Ratio(0.2)),
        force.each("bucket of 10 tokens", limit=Tokens()),
    ]
    if any(hop.per_try_s for hop in force.hops):
        policies += [
            _times(force, "timeouts of tries doubled", per_try_s=2.0),
            _times(force, "timeouts of tries halved", per_try_s=0.5),
        ]
    return [*policies, _times(force, "back-off ten times as long", back_off_s=10.0)]


def _times(force: RetryPolicy, name: str, **factors: float) -> RetryPolicy:
    """The same with times multiplied at every hop."""
    hops = (replace(hop, **{key: getattr(hop, key) * by for key, by in factors.items()}) for hop in force.hops)
    return RetryPolicy(name, tuple(hops))
