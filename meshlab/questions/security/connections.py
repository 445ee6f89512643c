"""Connections that carry no requests, and what Linkerd's and the node proxies' own counters say was refused."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher, differs, equal, matches
from meshlab.questions.base import Asking
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Answer

__all__ = ["COLUMNS", "ENDS", "carried", "opened", "refused"]

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


def opened(asking: Asking) -> Answer:
    """Connections that were opened: `COLUMNS`, ``block`` and ``value``."""
    inbound = (equal("direction", "inbound"), equal("peer", "src"), differs("no_tls_reason", "loopback"))
    return _both(_istio(asking, "istio_tcp_connections_opened_total"), _linkerd(asking, "tcp_open_total", *inbound))


def carried(asking: Asking) -> Answer:
    """Bytes that connections carried: `COLUMNS`, ``block`` and ``value``."""
    return _both(_istio(asking, "istio_tcp_sent_bytes_total"), _istio(asking, "istio_tcp_received_bytes_total"))


def refused(asking: Asking) -> Answer:
    """What a mesh's own counters say that its policies did.

    Returns
    -------
    Answer
        `COLUMNS`, ``block`` and ``value``, with ``unit`` (requests or connections), ``protocol`` and ``denied`` (bool).
    """
    failed = _istio(asking, "istio_tcp_connections_failed_total", equal("response_flags", "DENY"))
    frames = [failed.frame.assign(unit="connections", denied=True, protocol="tcp")]
    for metric, (unit, denied) in _AUTHZ.items():
        protocol = "http" if unit == "requests" else "tcp"
        frames.append(_linkerd(asking, metric).frame.assign(unit=unit, denied=denied, protocol=protocol))
    return Answer(_joined(frames), failed.query)


def _istio(asking: Asking, metric: str, *more: Matcher) -> Answer:
    namespace = asking.settings.namespace
    there = (equal("destination_workload_namespace", namespace),) if namespace else ()
    answer = Exporter(asking.mesh).risen(metric, asking.window, _ISTIO, asking.block_ms, _CALLED, *there, *more)
    return Answer(_of_istio(answer.frame), answer.query)


def _linkerd(asking: Asking, metric: str, *more: Matcher) -> Answer:
    exporter = Exporter(asking.mesh, asking.settings.namespace)
    answer = exporter.risen(metric, asking.window, _LINKERD, asking.block_ms, *more)
    return Answer(_of_linkerd(answer.frame), answer.query)


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
