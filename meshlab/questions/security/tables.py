"""The tables of the security question's result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Table, columns

__all__ = ["TABLES"]

_WORKLOAD: Final = {
    "destination_workload": "text: called workload",
    **columns("text", "destination_namespace", "destination_cluster"),
}
_EDGE: Final = {
    "source": "text: calling workload",
    "source_namespace": "text",
    "destination_workload": "text: called workload",
    **columns("text", "destination_service", "destination_namespace", "destination_cluster", "protocol"),
    "unit": "text: requests, connections or bytes",
}
_POD: Final = columns("text", "cluster", "namespace", "pod")
_UNIT: Final = {"unit": "text: requests, connections or bytes"}
_STATES: Final = columns("float: how many", "mtls", "plaintext", "unverified")
_SHARE: Final = {"share": "float: of what is known, 0..1; NaN where nothing is"}
_TRAFFIC: Final = {
    "requests": "int",
    "per_s": "float: 1/s; NaN: not known",
    "first": "time: end of the first block",
    "last": "time: end of the last block",
}
_RULE: Final = {
    "namespace": "text",
    "workload": "text: what is called",
    "principal": "text: who may call",
    "services": "text",
    **_TRAFFIC,
}

TABLES: Final[Mapping[str, Table]] = {
    "edges": Table(
        **_EDGE,
        **_STATES,
        **columns("time", "first_plaintext", "last_plaintext", "last_seen"),
        state="text: mtls, plaintext, mixed or unverified",
        now="bool: whether plaintext is ongoing",
    ),
    "shares": Table(
        **_UNIT,
        by="text: the unit itself, edges, workloads or namespaces",
        **columns("float: how many", "encrypted", "plaintext", "unverified"),
        **_SHARE,
    ),
    "protocols": Table(**_UNIT, protocol="text", edges="int", **_STATES, **_SHARE),
    "timeline": Table(**_EDGE, state="text", time="time: end of a block", count="float"),
    "strict": Table(
        **_EDGE,
        port="text: of the called workload; not exported where the metrics do not name it",
        per_s="float: 1/s",
        **columns("time", "first_plaintext", "last_plaintext"),
        now="bool: false is an edge that was mended",
    ),
    "strict_workloads": Table(
        **_WORKLOAD, callers="int", strict="text: safe, unsafe or unknown", last_plaintext="time"
    ),
    "denials": Table(
        **_EDGE,
        by="text: policy (code 403 or gRPC's PERMISSION_DENIED), ext_authz (flag UAEX) or mesh (its own counter)",
        **columns("float", "denied", "total"),
        share="float: 0..1",
        **columns("float: of the share's interval", "low", "high"),
        first="time",
        changed="time: NaT where it never changed",
        cause="text: new source, new policy, more volume or constant",
    ),
    "rbac": Table(
        **_POD, **columns("float: NaN: not exported", "allowed", "denied", "shadow_allowed", "shadow_denied")
    ),
    "certificates": Table(
        **_POD,
        workload="text",
        kind="text: leaf, intermediate or root",
        not_after="float: unix seconds",
        rotations="int",
        refused="int: new certificates that the proxy did not take: the one before counts",
        last_rotation="time",
        lifetime_s="float: seconds",
        due="float: unix seconds",
        state="text: fine, overdue, expired or unknown",
        overdue_s="float: seconds",
        renew_by="time: when it is due",
        ends="time: when it expires",
    ),
    "rotations": Table(
        **_POD,
        **columns("text", "instance", "name"),
        view="text: served, presented, agent, proxy, root or intermediate",
        time="time: first seen",
        not_after="float: unix seconds",
        refused="bool: whether the proxy did not take it",
        rotation="bool: whether it took the place of an earlier one",
        kind="text: leaf, intermediate or root",
        workload="text",
    ),
    "clocks": Table(**_POD, skew_s="float: seconds; positive where the pod's clock is behind"),
    "identities": Table(
        **columns("text", "principal", "trust_domain", "account", "workloads"),
        namespaces="int: in which it calls",
        shared="bool: by workloads that are no versions of one another",
        default="bool",
        foreign="bool: it calls from another namespace than its own",
        reaches="int: services",
    ),
    "reach": Table(
        principal="text",
        workloads="int: that run under it",
        direct="int: workloads called",
        observed="int: workloads reached by it and by those that it called in turn",
        **columns("float: the same by the policies; NaN where none are given", "allowed_direct", "allowed"),
        excess="float: allowed and not observed",
    ),
    "exposure": Table(
        kind="text: ingress, passthrough or blackhole",
        workload="text: of the mesh's side",
        **_UNIT,
        count="float",
        last_seen="time",
    ),
    "unknown": Table(**_WORKLOAD, **_UNIT, count="float", **columns("time", "first_seen", "last_seen")),
    "rules": Table(**_RULE),
    "unattributable": Table(
        namespace="text",
        workload="text: what is called",
        **columns("text: as the labels have it", "source", "principal"),
        why="text",
        **_TRAFFIC,
    ),
    "replay": Table(
        cut="time: where the last part begins",
        rules="int: of the first part",
        requests="int: of the last part, identified and allowed",
        false_denials="int",
        share="float: 0..1; NaN: nothing was tested",
        **columns("float: of the share's interval", "low", "high"),
        **columns("int", "unidentified", "unused_rules"),
    ),
    "replay_denied": Table(
        **columns("text", "destination_namespace", "destination_workload", "principal"), requests="float"
    ),
    "replay_unused": Table(**_RULE),
    "unused": Table(**columns("text", "policy", "namespace", "principal"), limited="bool: false is a wildcard"),
    "score": Table(term="text", weight="float", share="float: 0..1; NaN where not measured", cap="float: NaN for none"),
    "changes": Table(change="text: new, fixed or worse", **columns("text", "code", "subject", "before", "after")),
}
