"""What is wrong with retry policies as they are configured, before anything fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.telemetry.kubernetes.manifests import read_manifest

__all__ = ["EdgePolicy", "Fault", "Flaw", "lint", "parse", "read"]

_UNLIMITED: Final = 2**32 - 1
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|us|ns|m|s))+")
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|ns|m|s)")
_UNITS_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# Istio's default: pilot/pkg/networking/core/route/retry/retry.go.
_ISTIO_ATTEMPTS: Final = 2
# Envoy's back-off: below 25 ms before the first retry, below ten times that before the last.
_BACK_OFF_S: Final = 0.025
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePolicy:
    """What callers of a service are told about retries.

    Parameters
    ----------
    service : str
        Whom they call, as the configuration says it.
    namespace : str
    retries : int
        After the first try.
    per_try_s, route_s : float
        Time-outs; 0 for none.
    back_off_s : float
        Base of the pause before a retry.
    on : tuple of str
        Conditions that are retried.
    methods : tuple of str
        HTTP methods that the route takes; empty for all.
    max_retries : int or None
        Retries at once; None where nothing is said, which is no limit in Istio.
    budget_percent : float or None
        Of a retry budget; None for no budget.
    budget_in_subset : bool
        Whether the service has subsets with traffic policies of their own.
    budget_alone : bool
        Whether the budget is the only thing that its traffic policy says.
    """

    service: str
    namespace: str = ""
    retries: int = 0
    per_try_s: float = 0.0
    route_s: float = 0.0
    back_off_s: float = _BACK_OFF_S
    on: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    max_retries: int | None = None
    budget_percent: float | None = None
    budget_in_subset: bool = False
    budget_alone: bool = False

    @property
    def needed_s(self) -> float:
        """How long all tries may take, with the longest pauses between them."""
        # From the fourth retry on the pause does not grow.
        shares = [(1, 3, 7, 10)[min(k, 3)] for k in range(min(self.retries, 4))]
        pauses = (sum(shares) + 10 * max(self.retries - 4, 0)) * self.back_off_s
        return self.per_try_s * (self.retries + 1) + pauses


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong.

    Attributes
    ----------
    fault : Fault
    service : str
        Harmless to print.
    statement, remedy : str
    """

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
    flaws = [flaw for policy in known for flaw in _alone(policy)]
    return (*flaws, *_layers(known, paths))


def _alone(policy: EdgePolicy) -> Iterator[Flaw]:
    name = plain(policy.service)
    if not policy.retries:
        return
    if policy.per_try_s and policy.route_s and policy.needed_s > policy.route_s:
        fits = max(int(policy.route_s // policy.per_try_s), 1)
        yield Flaw(
            Fault.DOES_NOT_FIT,
            name,
            f"{policy.retries + 1} tries of {policy.per_try_s:g} s and their pauses take {policy.needed_s:.3g} s, "
            f"and the route ends after {policy.route_s:g} s",
            f"a time-out of the route of {policy.needed_s:.3g} s, or {fits - 1} {'retry' if fits == 2 else 'retries'}",
        )
    effective = policy.budget_percent is not None
    if policy.budget_percent is not None and policy.budget_alone:
        effective = False
        yield Flaw(
            Fault.BUDGET_ALONE,
            name,
            "the retry budget is all that the traffic policy says, and Istio refuses or ignores it then",
            "say something beside it, such as connectionPool.http.maxRetries",
        )
    if policy.budget_percent is not None and policy.budget_in_subset:
        effective = False
        yield Flaw(
            Fault.BUDGET_DROPPED,
            name,
            "subsets have a traffic policy of their own, and the service's retry budget is dropped for them",
            "repeat the budget in each subset's trafficPolicy, and look at the proxy's configuration",
        )
    if policy.budget_percent is not None and 0 < policy.budget_percent < 1:
        yield Flaw(
            Fault.BUDGET_TINY,
            name,
            f"the retry budget is {policy.budget_percent:g} % of the requests, so its minimum is all that there is",
            "percent: 20 means 20 %; some releases of Istio took the default for 0.2 %: set it, and look at the proxy",
        )
    limited = policy.max_retries is not None and policy.max_retries < _UNLIMITED
    if not effective and not limited:
        yield Flaw(
            Fault.UNBOUNDED,
            name,
            "nothing bounds how many retries are under way: Istio's default limit is 4294967295",
            "a retry budget of 20 %, or connectionPool.http.maxRetries",
        )
    unsafe = {method.upper() for method in policy.methods} - _SAFE
    conditions = set(policy.on) - _NEVER_ARRIVED
    if unsafe and conditions:
        yield Flaw(
            Fault.NOT_IDEMPOTENT,
            name,
            f"{_listed(unsafe)} is retried after {_listed(conditions)}: what was done once may be done again",
            f"retry it on {','.join(sorted(_NEVER_ARRIVED))} alone, or make it idempotent",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(plain, names)))


def _layers(known: Sequence[EdgePolicy], paths: Sequence[Sequence[str]]) -> Iterator[Flaw]:
    most: dict[str, int] = {}
    for policy in known:
        most[policy.service] = max(most.get(policy.service, 0), policy.retries)
    for path in paths or [list(most)]:
        layers = [service for service in path if most.get(service, 0)]
        if len(layers) < 2:
            continue
        worst = 1
        for service in layers:
            worst *= most[service] + 1
        yield Flaw(
            Fault.LAYERS,
            plain(layers[-1]),
            f"{len(layers)} layers retry ({', '.join(map(plain, layers))}): one request may become {worst} attempts",
            "retry at one layer, the one next to what fails, and bound it by a budget",
        )


def read(path: str | Path) -> tuple[EdgePolicy, ...]:
    """Read VirtualServices, DestinationRules and HTTPRoutes from a YAML file.

    Raises
    ------
    ParameterError
        There is no such file, it is no YAML, or what it says makes no sense.
    """
    command = "kubectl get virtualservices,destinationrules,httproutes -o yaml"
    return parse(read_manifest(path, "the routes'", command))


def parse(text: str) -> tuple[EdgePolicy, ...]:
    """Read YAML text; see `read`.

    Returns
    -------
    tuple of EdgePolicy
        One for each route and service that it leads to; a service that only a DestinationRule names has the retries
        that Istio gives when nobody says anything.
    """
    try:
        documents = [one for one in yaml.safe_load_all(text) if isinstance(one, Mapping)]
    except (yaml.YAMLError, RecursionError) as error:
        raise _bad(f"is no YAML: {plain((str(error) or 'too deep').splitlines()[0])}") from None
    objects = [item for one in documents for item in _items(one)]
    routes: list[EdgePolicy] = []
    limits: dict[tuple[str, str], dict[str, Any]] = {}
    found = False
    for one in objects:
        kind = one.get("kind")
        if kind == "VirtualService":
            routes += _virtual_service(one)
        elif kind == "HTTPRoute":
            routes += _http_route(one)
        elif kind == "DestinationRule":
            host, said = _destination_rule(one)
            limits[(_namespace(one), host)] = said
        found = found or kind in ("VirtualService", "HTTPRoute", "DestinationRule")
    if not found:
        raise _bad("holds no VirtualService, DestinationRule or HTTPRoute")
    named = {(route.namespace, _short(route.service)) for route in routes}
    for namespace, host in limits:
        if (namespace, _short(host)) not in named:
            default = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
            routes.append(EdgePolicy(service=host, namespace=namespace, retries=_ISTIO_ATTEMPTS, on=default))
    by_name = {(namespace, _short(host)): said for (namespace, host), said in limits.items()}
    return tuple(replace(route, **by_name.get((route.namespace, _short(route.service)), {})) for route in routes)


def _items(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = one.get("items")
    if one.get("kind") != "List" or not isinstance(items, list):
        return [one]
    return [item for item in items if isinstance(item, Mapping)]


def _virtual_service(one: Mapping[str, Any]) -> Iterator[EdgePolicy]:
    for route in _list(_table(one, "spec"), "http"):
        retries = route.get("retries")
        said = retries if isinstance(retries, Mapping) else {}
        if retries is not None and not isinstance(retries, Mapping):
            raise _bad("has retries that are no table")
        on = said.get("retryOn", "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes")
        back_off = said.get("backoff")
        for target in _list(route, "route"):
            yield EdgePolicy(
                service=_text(_table(target, "destination"), "host"),
                namespace=_namespace(one),
                retries=_whole(said.get("attempts", _ISTIO_ATTEMPTS), "attempts"),
                per_try_s=_seconds(said.get("perTryTimeout", "0s"), "perTryTimeout"),
                route_s=_seconds(route.get("timeout", "0s"), "timeout"),
                back_off_s=_BACK_OFF_S if back_off is None else _seconds(back_off, "backoff"),
                on=tuple(part.strip() for part in str(on).split(",") if part.strip()),
                methods=tuple(_methods(route)),
            )


def _methods(route: Mapping[str, Any]) -> Iterator[str]:
    for match in _list(route, "match"):
        method = match.get("method")
        if isinstance(method, Mapping) and isinstance(method.get("exact"), str):
            yield method["exact"]
        elif isinstance(method, str):
            yield method


def _http_route(one: Mapping[str, Any]) -> Iterator[EdgePolicy]:
    for rule in _list(_table(one, "spec"), "rules"):
        retry, timeouts = rule.get("retry"), rule.get("timeouts")
        said = retry if isinstance(retry, Mapping) else {}
        times = timeouts if isinstance(timeouts, Mapping) else {}
        codes = said.get("codes") or ()
        if not isinstance(codes, list | tuple):
            raise _bad("has retry codes that are no list")
        back_off = said.get("backoff")
        for target in _list(rule, "backendRefs"):
            yield EdgePolicy(
                service=_text(target, "name"),
                namespace=str(target.get("namespace") or _namespace(one)),
                # Gateway API: what is not said is left to the implementation; no retry stanza is no retry here.
                retries=_whole(said.get("attempts", 1), "attempts") if said else 0,
                per_try_s=_seconds(times.get("backendRequest", "0s"), "backendRequest"),
                route_s=_seconds(times.get("request", "0s"), "request"),
                back_off_s=_BACK_OFF_S if back_off is None else _seconds(back_off, "backoff"),
                on=tuple(str(code) for code in codes),
                methods=tuple(str(match["method"]) for match in _list(rule, "matches") if match.get("method")),
            )


def _destination_rule(one: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    spec = _table(one, "spec")
    policy = spec.get("trafficPolicy")
    policy = policy if isinstance(policy, Mapping) else {}
    budget, pool = policy.get("retryBudget"), policy.get("connectionPool")
    http = pool.get("http") if isinstance(pool, Mapping) else None
    most = http.get("maxRetries") if isinstance(http, Mapping) else None
    subsets = [each for each in _list(spec, "subsets") if isinstance(each.get("trafficPolicy"), Mapping)]
    said: dict[str, Any] = {"max_retries": None if most is None else _whole(most, "maxRetries")}
    if isinstance(budget, Mapping):
        said |= {
            "budget_percent": _number(budget.get("percent", 20.0), "percent"),
            "budget_alone": set(policy) == {"retryBudget"},
            "budget_in_subset": any("retryBudget" not in each["trafficPolicy"] for each in subsets),
        }
    return _text(spec, "host"), said


def _short(host: str) -> str:
    return host.split(".", 1)[0]


def _namespace(one: Mapping[str, Any]) -> str:
    about = one.get("metadata")
    return str(about.get("namespace") or "") if isinstance(about, Mapping) else ""


def _table(one: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = one.get(key)
    if not isinstance(found, Mapping):
        raise _bad(f"has no {key}")
    return found


def _list(one: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = one.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise _bad(f"has {key} that is no list of tables")
    return found


def _text(one: Mapping[str, Any], key: str) -> str:
    found = one.get(key)
    if not isinstance(found, str) or not found:
        raise _bad(f"has no {key}")
    return found


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _bad(f"has {plain(repr(value))} for {name}, and a whole number was wanted")
    return value


def _number(value: object, name: str) -> float:
    # Istio's own type is a table with the one field `value`.
    inner = value.get("value") if isinstance(value, Mapping) else value
    if isinstance(inner, bool) or not isinstance(inner, int | float) or not 0 <= inner <= 100:
        raise _bad(f"has {plain(repr(value))} for {name}, and a number from 0 to 100 was wanted")
    return float(inner)


def _seconds(value: object, name: str) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str) or (value != "0" and not _DURATION.fullmatch(value)):
        raise _bad(f"has {plain(repr(value))} for {name}, and a duration such as 500ms was wanted")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(value))


def _bad(fault: str) -> ParameterError:
    return ParameterError(
        f"the routes' YAML {fault}", "kubectl get virtualservices,destinationrules,httproutes -o yaml writes it"
    )
