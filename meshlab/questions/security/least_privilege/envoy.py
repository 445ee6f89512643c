"""A proposal as Envoy enforces it, and as the lab's scenarios name it."""

from __future__ import annotations

from typing import Any, Final

from meshlab.questions.security.least_privilege.proposal import Proposal

__all__ = ["accounts", "rbac"]

_KIND: Final = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"


def rbac(proposal: Proposal) -> dict[tuple[str, str], dict[str, Any]]:
    """The configuration of the filter ``envoy.filters.http.rbac``, by namespace and workload."""
    return {
        (namespace, workload): {
            "@type": _KIND,
            "rules": {
                "action": "ALLOW",
                "policies": {
                    "callers": {
                        "permissions": [{"any": True}],
                        "principals": [
                            {"authenticated": {"principal_name": {"exact": f"spiffe://{grant.principal}"}}}
                            for grant in grants
                        ],
                    }
                },
            },
        }
        for namespace, workload, grants in proposal.targets()
    }


def accounts(proposal: Proposal, namespace: str) -> dict[str, tuple[str, ...]]:
    """Service accounts that may call each workload of a namespace, for a mesh that has only this one.

    Notes
    -----
    Accounts of other namespaces have no place in it and are left out.
    """
    within = f"/ns/{namespace}/sa/"
    return {
        workload: tuple(sorted({g.principal.rpartition(within)[2] for g in grants if within in g.principal}))
        for place, workload, grants in proposal.targets()
        if place == namespace
    }
