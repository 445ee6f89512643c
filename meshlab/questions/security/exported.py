"""What proxies and authorities export of themselves: ends of certificates, refusals, signatures, decisions, TLS."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.selector import matches
from meshlab.core.window import Window
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Answer

__all__ = ["CERTIFICATES", "certificates", "ciphers", "decisions", "rejections", "signing", "versions"]

CERTIFICATES: Final = MappingProxyType(
    {
        "envoy_listener_ssl_certificate_expiration_unix_time_seconds": ("envoy_tls_certificate", "served"),
        "envoy_cluster_ssl_certificate_expiration_unix_time_seconds": ("envoy_tls_certificate", "presented"),
        "istio_agent_cert_expiry_seconds": ("resource_name", "agent"),
        "citadel_server_root_cert_expiry_timestamp": ("", "root"),
        "citadel_server_cert_chain_expiry_timestamp": ("", "intermediate"),
        "identity_cert_expiration_timestamp_seconds": ("", "proxy"),
        "control_identity_cert_expiration_timestamp_seconds": ("", "proxy"),
    }
)
"""Series of certificates' ends: the label of the certificate's name, and whose view it is."""

_NAMED: Final = MappingProxyType({"root": "ROOTCA", "intermediate": "intermediate"})

_POD: Final = {"cluster": "cluster", "namespace": "namespace", "pod": "pod", "instance": "instance"}

_RBAC: Final = ("allowed", "denied", "shadow_allowed", "shadow_denied")

_REJECTIONS: Final = ("envoy_sds_key_rotation_failed", "envoy_sds_update_rejected")

_SIGNING: Final = MappingProxyType(
    {
        "citadel_server_csr_count": "asked",
        "citadel_server_success_cert_issuance_count": "issued",
        "citadel_server_authentication_failure_count": "authentication",
        "citadel_server_csr_parsing_err_count": "parsing",
        "citadel_server_id_extraction_err_count": "identity",
        "citadel_server_csr_sign_err_count": "signing",
    }
)
"""Istio's authority counts what it was asked, what it issued, and why not."""


def certificates(exporter: Exporter, window: Window) -> Answer:
    """Ends of certificates: where, ``name``, ``view``, ``time`` and ``value`` (unix seconds)."""
    frames, query = [], None
    for metric, (label, view) in CERTIFICATES.items():
        columns = {**_POD, "name": label} if label else _POD
        # The authority signs for all namespaces, and stands in its own.
        answer = (Exporter(exporter.mesh) if view in _NAMED else exporter).gauge(metric, window, columns)
        query = query or answer.query
        if answer.frame.empty:
            continue
        query = answer.query
        frame = answer.frame.assign(view=view)
        if not label:
            frame["name"] = _NAMED.get(view, "default")
        if view == "agent":
            # Seconds left become a moment: it stands still until the certificate is another one.
            frame["value"] += frame["time"].astype("int64").to_numpy() / 1000
        frames.append(frame)
    order = [*_POD, "name", "view", "time", "value"]
    assert query is not None
    if not frames:
        return Answer(pd.DataFrame(columns=order), query)
    return Answer(pd.concat(frames, ignore_index=True)[order], query)


def decisions(exporter: Exporter, window: Window, block_ms: int) -> Answer:
    """Decisions of authorization policies: where, ``result``, ``block`` and ``value``."""
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


def rejections(exporter: Exporter, window: Window) -> Answer:
    """How many new certificates each proxy refused, as it was scraped: where, ``kind``, ``time`` and ``value``."""
    frames, query = [], None
    for metric in _REJECTIONS:
        answer = exporter.gauge(metric, window, {**_POD, "resource": "envoy_xds_resource_name"})
        query = answer.query if query is None or len(answer.frame) else query
        frames.append(answer.frame.assign(kind=metric.removeprefix("envoy_sds_")))
    assert query is not None
    held = [frame for frame in frames if len(frame)] or frames[:1]
    return Answer(pd.concat(held, ignore_index=True), query)


def signing(exporter: Exporter, window: Window, block_ms: int) -> Answer:
    """What authorities signed, and what they refused: where, ``what``, ``error``, ``block`` and ``value``."""
    frames, query = [], None
    for metric, what in _SIGNING.items():
        answer = exporter.risen(metric, window, {**_POD, "error": "error"}, block_ms)
        query = answer.query if query is None else query
        frames.append(answer.frame.assign(what=what))
    answer = exporter.risen(
        "",
        window,
        {**_POD, "error": "result"},
        block_ms,
        matches("__name__", "(control_)?identity_cert_refreshes_total"),
    )
    if len(answer.frame):
        fine = answer.frame["error"].eq("ok")
        frames.append(answer.frame.assign(what=fine.map({True: "issued", False: "refresh"}).astype(str)))
    assert query is not None
    held = [frame for frame in frames if len(frame)] or frames[:1]
    return Answer(pd.concat(held, ignore_index=True), query)


def versions(exporter: Exporter, window: Window) -> Answer:
    """Handshakes since the proxies started by ``version``: where, and ``value``."""
    return exporter.last("envoy_listener_ssl_versions", window, {**_POD, "version": "envoy_ssl_version"})


def ciphers(exporter: Exporter, window: Window) -> Answer:
    """Handshakes since the proxies started by ``cipher``: where, and ``value``."""
    return exporter.last("envoy_listener_ssl_ciphers", window, {**_POD, "cipher": "envoy_ssl_cipher"})
