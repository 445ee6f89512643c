"""Retry policies as they are configured: VirtualServices, DestinationRules and HTTPRoutes read from YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from meshlab.core.documents import Unreadable, yaml_documents
from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.telemetry.kubernetes.manifests import read_manifest

__all__ = ["EdgePolicy", "parse", "read"]

_COMMAND: Final = "kubectl get virtualservices,destinationrules,httproutes -o yaml"
_PART: Final = r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|ns|m|s)"
_UNITS_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# Istio's defaults: pilot/pkg/networking/core/route/retry/retry.go.
_ISTIO_ATTEMPTS: Final = 2
_ISTIO_CONDITIONS: Final = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
# Envoy's back-off: below 25 ms before the first retry, below ten times that before the last.
_BACK_OFF_S: Final = 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePolicy:
    """How callers of a service retry.

    Parameters
    ----------
    service : str
        Whom they call, as the configuration names it.
    namespace : str
    retries : int
        After the first try.
    per_try_s, route_s : float
        Timeouts; 0 for none.
    back_off_s : float
        Base of the pause before a retry.
    on : tuple of str
        Conditions that are retried.
    methods : tuple of str
        HTTP methods that the route takes; empty for all.
    max_retries : int or None
        Retries at once; None where it is not set, which is no limit in Istio.
    budget_percent : float or None
        Of a retry budget; None for no budget.
    budget_in_subset : bool
        Whether the service has subsets with traffic policies of their own.
    budget_alone : bool
        Whether the budget is the only entry of its traffic policy.
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


def read(path: str | Path) -> tuple[EdgePolicy, ...]:
    """Read VirtualServices, DestinationRules and HTTPRoutes from a YAML file.

    Raises
    ------
    ParameterError
        There is no such file, it is no YAML, or what it says makes no sense.
    """
    return parse(read_manifest(path, "the routes'", _COMMAND))


def parse(text: str) -> tuple[EdgePolicy, ...]:
    """Read YAML text; see `read`.

    Returns
    -------
    tuple of EdgePolicy
        One for each route and service that it leads to; a service that only a DestinationRule names has the retries
        that Istio gives where none are configured.
    """
    try:
        documents = [document for document in yaml_documents(text) if isinstance(document, Mapping)]
    except Unreadable as error:
        raise _bad(f"is no YAML: {error}") from None
    objects = [item for document in documents for item in _items(document)]
    routes: list[EdgePolicy] = []
    limits: dict[tuple[str, str], dict[str, Any]] = {}
    for item in objects:
        match item.get("kind"):
            case "VirtualService":
                routes += _virtual_service(item)
            case "HTTPRoute":
                routes += _http_route(item)
            case "DestinationRule":
                host, limit = _destination_rule(item)
                limits[_namespace(item), host] = limit
    if not any(item.get("kind") in ("VirtualService", "HTTPRoute", "DestinationRule") for item in objects):
        raise _bad("holds no VirtualService, DestinationRule or HTTPRoute")
    named = {(route.namespace, _short(route.service)) for route in routes}
    conditions = tuple(_ISTIO_CONDITIONS.split(","))
    routes += [
        EdgePolicy(service=host, namespace=namespace, retries=_ISTIO_ATTEMPTS, on=conditions)
        for namespace, host in limits
        if (namespace, _short(host)) not in named
    ]
    by_name = {(namespace, _short(host)): limit for (namespace, host), limit in limits.items()}
    return tuple(replace(route, **by_name.get((route.namespace, _short(route.service)), {})) for route in routes)


def _items(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = document.get("items")
    if document.get("kind") != "List" or not isinstance(items, list):
        return [document]
    return [item for item in items if isinstance(item, Mapping)]


def _virtual_service(item: Mapping[str, Any]) -> Iterator[EdgePolicy]:
    for route in _list(_given(item, "spec", dict), "http"):
        retries = {} if route.get("retries") is None else route["retries"]
        if not isinstance(retries, Mapping):
            raise _bad("has retries that are no table")
        conditions = str(retries.get("retryOn", _ISTIO_CONDITIONS)).split(",")
        for target in _list(route, "route"):
            yield EdgePolicy(
                service=_given(_given(target, "destination", dict), "host", str),
                namespace=_namespace(item),
                retries=_whole(retries.get("attempts", _ISTIO_ATTEMPTS), "attempts"),
                per_try_s=_seconds(retries, "perTryTimeout"),
                route_s=_seconds(route, "timeout"),
                back_off_s=_back_off_s(retries),
                on=tuple(part.strip() for part in conditions if part.strip()),
                methods=tuple(_methods(route)),
            )


def _methods(route: Mapping[str, Any]) -> Iterator[str]:
    for match in _list(route, "match"):
        method = match.get("method")
        exact = method.get("exact") if isinstance(method, Mapping) else method
        if isinstance(exact, str):
            yield exact


def _http_route(item: Mapping[str, Any]) -> Iterator[EdgePolicy]:
    for rule in _list(_given(item, "spec", dict), "rules"):
        retry, timeouts = _part(rule, "retry"), _part(rule, "timeouts")
        codes = retry.get("codes") or ()
        if not isinstance(codes, list | tuple):
            raise _bad("has retry codes that are no list")
        for target in _list(rule, "backendRefs"):
            yield EdgePolicy(
                service=_given(target, "name", str),
                namespace=str(target.get("namespace") or _namespace(item)),
                # Gateway API: what is not set is left to the implementation; no retry stanza is no retry here.
                retries=_whole(retry.get("attempts", 1), "attempts") if retry else 0,
                per_try_s=_seconds(timeouts, "backendRequest"),
                route_s=_seconds(timeouts, "request"),
                back_off_s=_back_off_s(retry),
                on=tuple(str(code) for code in codes),
                methods=tuple(str(match["method"]) for match in _list(rule, "matches") if match.get("method")),
            )


def _destination_rule(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    spec = _given(item, "spec", dict)
    policy = _part(spec, "trafficPolicy")
    budget, most = policy.get("retryBudget"), _part(_part(policy, "connectionPool"), "http").get("maxRetries")
    subsets = [subset for subset in _list(spec, "subsets") if isinstance(subset.get("trafficPolicy"), Mapping)]
    limit: dict[str, Any] = {"max_retries": None if most is None else _whole(most, "maxRetries")}
    if isinstance(budget, Mapping):
        limit |= {
            "budget_percent": _percent(budget.get("percent", 20.0), "percent"),
            "budget_alone": set(policy) == {"retryBudget"},
            "budget_in_subset": any("retryBudget" not in subset["trafficPolicy"] for subset in subsets),
        }
    return _given(spec, "host", str), limit


def _short(host: str) -> str:
    return host.split(".", 1)[0]


def _namespace(item: Mapping[str, Any]) -> str:
    return str(_part(item, "metadata").get("namespace") or "")


T = TypeVar("T", str, dict[str, Any])


def _given(item: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = item.get(key)
    if not isinstance(value, kind) or value == "":
        raise _bad(f"has no {key}")
    return value


def _part(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A table that may be missing."""
    return value if isinstance(value := item.get(key), Mapping) else {}


def _list(item: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = [] if item.get(key) is None else item[key]
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise _bad(f"has {key} that is no list of tables")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _bad(f"has {plain(repr(value))} for {name}, and a whole number was wanted")
    return value


def _percent(value: object, name: str) -> float:
    # Istio's own type is a table with the one field `value`.
    inner = value.get("value") if isinstance(value, Mapping) else value
    if isinstance(inner, bool) or not isinstance(inner, int | float) or not 0 <= inner <= 100:
        raise _bad(f"has {plain(repr(value))} for {name}, and a number from 0 to 100 was wanted")
    return float(inner)


def _back_off_s(retries: Mapping[str, Any]) -> float:
    return _BACK_OFF_S if retries.get("backoff") is None else _seconds(retries, "backoff")


def _seconds(item: Mapping[str, Any], key: str) -> float:
    value = item.get(key, "0s")
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str) or (value != "0" and not re.fullmatch(f"(?:{_PART})+", value)):
        raise _bad(f"has {plain(repr(value))} for {key}, and a duration such as 500ms was wanted")
    return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(_PART, value))


def _bad(fault: str) -> ParameterError:
    return ParameterError(f"the routes' YAML {fault}", f"{_COMMAND} writes it")
