"""Connections that carry no requests, and what Linkerd's and the node proxies' own counters say was refused."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher, differs, equal, matches
from meshlab.core.window import Window
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Answer, Mesh

__all__ = ["COLUMNS", "ENDS", "connections"]

ENDS: Final = (
    "source",
    "source_namespace",
    "source_principal",
    "destination_workload",
    "destination_service",
    "destination_host",
    "destination_namespace",
    "destination_principal",
    "destination_cluster",
    "destination_port",
)
"""Who speaks to whom."""

COLUMNS: Final = (*ENDS, "flags", "tls", "proxy")
"""What is known of a connection; ``proxy`` is ``ztunnel`` for Istio's node proxy and ``linkerd`` for Linkerd's."""

_ISTIO: Final = MappingProxyType(
    {
        "source": "source_workload",
        "source_namespace": "source_workload_namespace",
        "source_principal": "source_principal",
        "destination_workload": "destination_workload",
        "destination_service": "destination_canonical_service",
        "destination_host": "destination_service",
        "destination_namespace": "destination_workload_namespace",
        "destination_principal": "destination_principal",
        "destination_cluster": "destination_cluster",
        "flags": "response_flags",
        "tls": "connection_security_policy",
        "app": "app",
        "job": "job",
    }
)

_LINKERD: Final = MappingProxyType(
    {
        "source_principal": "client_id",
        "deployment": "deployment",
        "statefulset": "statefulset",
        "daemonset": "daemonset",
        "destination_namespace": "namespace",
        "destination_cluster": "cluster",
        "target_port": "target_port",
        "srv_port": "srv_port",
        "tls": "tls",
    }
)

_CALLED: Final = matches("reporter", "destination|waypoint")
_AUTHZ: Final = MappingProxyType(
    {
        "inbound_http_authz_allow_total": ("requests", False),
        "inbound_http_authz_deny_total": ("requests", True),
        "inbound_tcp_authz_allow_total": ("connections", False),
        "inbound_tcp_authz_deny_total": ("connections", True),
        "inbound_tcp_authz_terminate_total": ("connections", True),
    }
)


def connections(mesh: Mesh, window: Window, namespace: str, block_ms: int) -> dict[str, Answer]:
    """Ask for connections, their bytes, and refusals.

    Returns
    -------
    dict
        ``connections`` and ``bytes``: `COLUMNS`, ``block`` and ``value``. ``refused``: the same with ``unit`` (requests
        or connections), ``protocol`` and ``denied`` (bool): what a mesh's own counters say that its policies did.
    """
    there = (equal("destination_workload_namespace", namespace),) if namespace else ()
    anywhere, own = Exporter(mesh), Exporter(mesh, namespace)

    def istio(metric: str, *more: Matcher) -> Answer:
        answer = anywhere.risen(metric, window, _ISTIO, block_ms, _CALLED, *there, *more)
        return Answer(_of_istio(answer.frame), answer.query)

    def linkerd(metric: str, *more: Matcher) -> Answer:
        answer = own.risen(metric, window, _LINKERD, block_ms, *more)
        return Answer(_of_linkerd(answer.frame), answer.query)

    inbound = (equal("direction", "inbound"), equal("peer", "src"), differs("no_tls_reason", "loopback"))
    failed = istio("istio_tcp_connections_failed_total", equal("response_flags", "DENY"))
    denials = [failed.frame.assign(unit="connections", denied=True, protocol="tcp")]
    for metric, (unit, denied) in _AUTHZ.items():
        protocol = "http" if unit == "requests" else "tcp"
        denials.append(linkerd(metric).frame.assign(unit=unit, denied=denied, protocol=protocol))
    return {
        "connections": _both(
            istio("istio_tcp_connections_opened_total"),
            linkerd("tcp_open_total", *inbound),
        ),
        "bytes": _both(istio("istio_tcp_sent_bytes_total"), istio("istio_tcp_received_bytes_total")),
        "refused": Answer(_joined(denials), failed.query),
    }


def _both(first: Answer, second: Answer) -> Answer:
    """Two answers in one frame; the query is that of the one that has something."""
    query = second.query if first.frame.empty and len(second.frame) else first.query
    return Answer(_joined([first.frame, second.frame]), query)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    held = [frame for frame in frames if len(frame)]
    return pd.concat(held, ignore_index=True) if held else frames[0]


def _of_istio(frame: pd.DataFrame) -> pd.DataFrame:
    node = frame["app"].eq("ztunnel") | frame["job"].str.contains("ztunnel", regex=False)
    named = frame.assign(proxy=node.map({True: "ztunnel", False: ""}).astype(str), destination_port="")
    return named[[*COLUMNS, "block", "value"]]


def _of_linkerd(frame: pd.DataFrame) -> pd.DataFrame:
    named = frame.assign(destination_workload="", destination_port="", proxy="linkerd")
    for column, labels in (
        ("destination_workload", ("deployment", "statefulset", "daemonset")),
        ("destination_port", ("target_port", "srv_port")),
    ):
        for label in labels:
            named[column] = named[column].where(named[column] != "", named[label])
    return named.reindex(columns=[*COLUMNS, "block", "value"], fill_value="")
