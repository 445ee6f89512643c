"""Authorization as Envoy's RBAC: rules that are enforced, and rules that are only counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from meshlab.lab.sidecar.messages import Json, named, resource
from meshlab.lab.specs.security import Authorization, Rule
from meshlab.lab.topology import principal

__all__ = ["FILTER", "base", "per_route"]

FILTER: Final = "envoy.filters.http.rbac"
_KIND: Final = "envoy.extensions.filters.http.rbac.v3.RBAC"


def base() -> Json:
    """The filter itself, which allows everything: rules come with the routes, so that they can change at any time."""
    return named(FILTER, _KIND)


def per_route(authorization: Authorization | None, namespace: str) -> Json:
    """The rules of a workload, for its inbound route.

    Returns
    -------
    dict
        ``typed_per_filter_config`` of a route; empty where there are no rules.
    """
    if authorization is None:
        return {}
    rules: Json = {"track_per_rule_stats": True}
    if authorization.allow is not None:
        rules |= {"rules": _rules(authorization.allow, namespace), "rules_stat_prefix": "authz_"}
    if authorization.shadow is not None:
        rules |= {"shadow_rules": _rules(authorization.shadow, namespace), "shadow_rules_stat_prefix": "dry_run_"}
    return {FILTER: resource("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", rbac=rules)}


def _rules(rules: Sequence[Rule], namespace: str) -> Json:
    policies = {f"rule-{number}": _policy(rule, namespace) for number, rule in enumerate(rules)}
    return {"action": "ALLOW", "policies": policies}


def _policy(rule: Rule, namespace: str) -> Json:
    callers = [
        {"authenticated": {"principal_name": {"exact": principal(namespace, account)}}} for account in rule.accounts
    ]
    exact: list[Json] = [{"string_match": {"exact": method}} for method in rule.methods]
    methods: list[Json] = [{"header": {"name": ":method", **match}} for match in exact]
    paths: list[Json] = [{"url_path": {"path": {"prefix": path}}} for path in rule.paths]
    conditions = [{"or_rules": {"rules": either}} for either in (methods, paths) if either]
    return {
        "permissions": [{"and_rules": {"rules": conditions}}] if conditions else [{"any": True}],
        "principals": callers or [{"any": True}],
    }
