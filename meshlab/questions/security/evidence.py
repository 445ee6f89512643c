"""What the security question asks the mesh: once, for everything in scope."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.dialects.base import Reporter
from meshlab.dialects.columns import Condition
from meshlab.evidence import Evidence, Missing
from meshlab.kubernetes import Exporter
from meshlab.mesh import Answer, Mesh
from meshlab.questions.security.policy import Policy
from meshlab.questions.security.scope import Scope
from meshlab.selector import equal, matches
from meshlab.window import Window

__all__ = ["CERTIFICATES", "WORDS", "collect"]

WORDS: Final = (
    "source",
    "source_namespace",
    "source_principal",
    "destination_workload",
    "destination_service",
    "destination_host",
    "destination_namespace",
    "destination_principal",
    "destination_cluster",
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""The words that a request's security is told by."""

CERTIFICATES: Final = MappingProxyType(
    {
        "envoy_listener_ssl_certificate_expiration_unix_time_seconds": ("envoy_tls_certificate", "served"),
        "envoy_cluster_ssl_certificate_expiration_unix_time_seconds": ("envoy_tls_certificate", "presented"),
        "istio_agent_cert_expiry_seconds": ("resource_name", "agent"),
        "citadel_server_root_cert_expiry_timestamp": ("", "root"),
        "identity_cert_expiration_timestamp_seconds": ("", "proxy"),
        "control_identity_cert_expiration_timestamp_seconds": ("", "proxy"),
    }
)
"""Series of certificates' ends: the label of the certificate's name, and whose view it is."""

_POD: Final = {"cluster": "cluster", "namespace": "namespace", "pod": "pod", "instance": "instance"}

_TCP: Final = {
    "source": "source_workload",
    "source_namespace": "source_workload_namespace",
    "source_principal": "source_principal",
    "destination_workload": "destination_workload",
    "destination_service": "destination_canonical_service",
    "destination_namespace": "destination_workload_namespace",
    "destination_cluster": "destination_cluster",
    "tls": "connection_security_policy",
    "app": "app",
}

_RBAC: Final = ("allowed", "denied", "shadow_allowed", "shadow_denied")


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask for requests by edge and identity, connections, certificates' ends, authorization and TLS versions.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    scope : Scope, optional
    policy : Policy, optional
        Sets the length of the blocks.

    Returns
    -------
    Evidence
        Required: ``seen`` or ``sent`` (`Mesh.request_counts` by `WORDS`, from the called and from the calling side).
        Optional: ``connections`` (TCP), ``certificates`` (``time``, ``value`` in unix seconds), ``rbac`` and
        ``versions``. ``chosen`` is the length of a block, milliseconds.
    """
    policy, scope = policy or Policy(), scope or Scope()
    where = [Condition("destination_namespace", (scope.namespace,))] if scope.namespace else []
    block_ms = 1000 * (policy.block_s or min(max((window.end_ms - window.start_ms) // 100_000, 10), 900))
    exporter = Exporter(mesh, scope.namespace)
    answers = {
        "seen": mesh.request_counts(window, WORDS, where, reporter=Reporter.DESTINATION, block_ms=block_ms),
        "sent": mesh.request_counts(window, WORDS, where, reporter=Reporter.SOURCE, block_ms=block_ms),
        "connections": Exporter(mesh).risen(
            "istio_tcp_connections_opened_total",
            window,
            _TCP,
            block_ms,
            matches("reporter", "destination|waypoint"),
            *((equal("destination_workload_namespace", scope.namespace),) if scope.namespace else ()),
        ),
        "certificates": _certificates(exporter, window),
        "rbac": _rbac(exporter, window, block_ms),
        "versions": exporter.last("envoy_listener_ssl_versions", window, {**_POD, "version": "envoy_ssl_version"}),
    }
    lacking = {
        "seen": Missing("requests as the called workloads' proxies count them", mesh.dialect.remedies["destination"]),
        "connections": Missing("TCP connections", "nothing, where the mesh carries HTTP and gRPC alone"),
        "certificates": Missing(
            "ends of certificates",
            "let Prometheus scrape the agents (istio_agent_cert_expiry_seconds), or export "
            "*.ssl.certificate.* with proxyStatsMatcher",
        ),
        "rbac": Missing("decisions of authorization policies", "let Prometheus scrape the proxies' own statistics"),
        "versions": Missing(
            "TLS versions: this mesh does not export them", "export listener.*.ssl.versions.* with proxyStatsMatcher"
        ),
    }
    return Evidence(
        frames=MappingProxyType({name: answer.frame for name, answer in answers.items()}),
        window=window,
        source=f"{mesh.source} ({mesh.name})",
        queries=MappingProxyType({name: answer.query for name, answer in answers.items()}),
        missing=MappingProxyType({n: m for n, m in lacking.items() if answers[n].frame.empty}),
        notes=MappingProxyType({"mesh": mesh.name}),
        chosen=block_ms,
    )


def _certificates(exporter: Exporter, window: Window) -> Answer:
    frames, query = [], None
    for metric, (label, view) in CERTIFICATES.items():
        columns = {**_POD, "name": label} if label else _POD
        answer = exporter.gauge(metric, window, columns)
        query = query or answer.query
        if answer.frame.empty:
            continue
        query = answer.query
        frame = answer.frame.assign(view=view)
        if not label:
            frame["name"] = "ROOTCA" if view == "root" else "default"
        if view == "agent":
            # Seconds left become a moment: it stands still until the certificate is another one.
            frame["value"] += frame["time"].astype("int64").to_numpy() / 1000
        frames.append(frame)
    order = [*_POD, "name", "view", "time", "value"]
    assert query is not None
    if not frames:
        return Answer(pd.DataFrame(columns=order), query)
    return Answer(pd.concat(frames, ignore_index=True)[order], query)


def _rbac(exporter: Exporter, window: Window, block_ms: int) -> Answer:
    frames, query = [], None
    for result in _RBAC:
        answer = exporter.risen(f"envoy_http_rbac_{result}", window, _POD, block_ms)
        query = answer.query
        frames.append(answer.frame.assign(result=result))
    # Istio writes address and port into the metric's name, and the result into a label.
    named = exporter.risen(
        "",
        window,
        {**_POD, "result": "authz_enforce_result", "shadow": "authz_dry_run_result"},
        block_ms,
        matches("__name__", "envoy_http_inbound_.+_rbac"),
    ).frame
    if len(named):
        dry = named["shadow"] != ""
        named["result"] = named["result"].where(~dry, "shadow_" + named["shadow"])
        frames.append(named.drop(columns="shadow"))
    assert query is not None
    held = [frame for frame in frames if len(frame)] or frames[:1]
    return Answer(pd.concat(held, ignore_index=True), query)
