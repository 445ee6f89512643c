"""The tables of the security question's result."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meshlab.questions.base import Table

__all__ = ["TABLES"]

_EDGE: Final = {
    "source": "text: calling workload",
    "source_namespace": "text",
    "destination_workload": "text: called workload",
    "destination_service": "text",
    "destination_namespace": "text",
    "destination_cluster": "text",
    "protocol": "text",
}
_POD: Final = {"cluster": "text", "namespace": "text", "pod": "text"}
_UNIT: Final = {"unit": "text: requests, connections or bytes"}
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

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "edges": Table(
            **_EDGE,
            **_UNIT,
            mtls="float: how many",
            plaintext="float: how many",
            unverified="float: how many",
            first_plaintext="time",
            last_plaintext="time",
            last_seen="time",
            state="text: mtls, plaintext, mixed or unverified",
            now="bool: whether plaintext is ongoing",
        ),
        "shares": Table(
            **_UNIT,
            by="text: the unit itself, edges, workloads or namespaces",
            encrypted="float",
            plaintext="float",
            unverified="float",
            share="float: of what is known, 0..1; NaN where nothing is",
        ),
        "protocols": Table(
            **_UNIT,
            protocol="text",
            edges="int",
            mtls="float",
            plaintext="float",
            unverified="float",
            share="float: of what is known, 0..1",
        ),
        "timeline": Table(**_EDGE, **_UNIT, state="text", time="time: end of a block", count="float"),
        "strict": Table(
            **_EDGE,
            **_UNIT,
            port="text: of the called workload; not exported where the metrics do not name it",
            per_s="float: 1/s",
            first_plaintext="time",
            last_plaintext="time",
            now="bool: false is an edge that was mended",
        ),
        "strict_workloads": Table(
            destination_workload="text",
            destination_namespace="text",
            destination_cluster="text",
            callers="int",
            strict="text: safe, unsafe or unknown",
            last_plaintext="time",
        ),
        "denials": Table(
            **_EDGE,
            **_UNIT,
            by="text: policy, ext_authz or mesh",
            denied="float",
            total="float",
            share="float: 0..1",
            low="float: of the share's interval",
            high="float: of the share's interval",
            first="time",
            changed="time: NaT where it never changed",
            cause="text",
        ),
        "rbac": Table(**_POD, allowed="float", denied="float", shadow_allowed="float", shadow_denied="float"),
        "certificates": Table(
            **_POD,
            workload="text",
            kind="text: leaf, intermediate or root",
            not_after="float: unix seconds",
            rotations="int",
            refused="int: new certificates that the proxy did not take",
            last_rotation="time",
            lifetime_s="float: seconds",
            due="float: unix seconds",
            state="text: fine, overdue, expired or unknown",
            overdue_s="float: seconds",
            renew_by="time",
            ends="time",
        ),
        "rotations": Table(
            **_POD,
            instance="text",
            name="text",
            view="text: served, presented, agent, proxy, root or intermediate",
            time="time: first seen",
            not_after="float: unix seconds",
            refused="bool",
            rotation="bool: whether it took the place of an earlier one",
            kind="text: leaf, intermediate or root",
            workload="text",
        ),
        "clocks": Table(**_POD, skew_s="float: seconds; positive where the pod's clock is behind"),
        "identities": Table(
            principal="text",
            trust_domain="text",
            account="text",
            workloads="text",
            namespaces="int",
            shared="bool",
            default="bool",
            foreign="bool",
            reaches="int: workloads",
        ),
        "reach": Table(
            principal="text",
            workloads="int: that call under it",
            direct="int: workloads called",
            observed="int: workloads reached",
            allowed_direct="float: NaN where no policies are given",
            allowed="float: NaN where no policies are given",
            excess="float: allowed and not observed",
        ),
        "exposure": Table(
            kind="text: ingress, passthrough or blackhole", workload="text", **_UNIT, count="float", last_seen="time"
        ),
        "unknown": Table(
            destination_workload="text",
            destination_namespace="text",
            destination_cluster="text",
            **_UNIT,
            count="float",
            first_seen="time",
            last_seen="time",
        ),
        "rules": Table(**_RULE),
        "unattributable": Table(
            namespace="text", workload="text: what is called", source="text", principal="text", why="text", **_TRAFFIC
        ),
        "replay": Table(
            cut="time: where the last part begins",
            rules="int: of the first part",
            requests="int: of the last part, identified and allowed",
            false_denials="int",
            share="float: 0..1",
            low="float",
            high="float",
            unidentified="int",
            unused_rules="int",
        ),
        "replay_denied": Table(
            destination_namespace="text", destination_workload="text", principal="text", requests="float"
        ),
        "replay_unused": Table(**_RULE),
        "unused": Table(policy="text", namespace="text", principal="text", limited="bool: false is a wildcard"),
        "score": Table(
            term="text", weight="float", share="float: 0..1; NaN where not measured", cap="float: NaN for none"
        ),
        "changes": Table(change="text: new, fixed or worse", code="text", subject="text", before="text", after="text"),
    }
)
