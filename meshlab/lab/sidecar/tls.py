"""TLS of both sides, with certificates from the control plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from meshlab.lab.certificates import Credentials
from meshlab.lab.sidecar.bootstrap import dynamic
from meshlab.lab.sidecar.messages import Json, named, resource
from meshlab.lab.topology import TRUST_DOMAIN

__all__ = ["CERTIFICATE", "ROOT", "downstream", "secrets", "upstream"]

CERTIFICATE: Final = "default"
ROOT: Final = "ROOTCA"
"""Istio's names of the two secrets."""


def downstream() -> Json:
    """Of the inbound side: every caller needs a certificate of the mesh."""
    return named(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=_context([{"prefix": f"spiffe://{TRUST_DOMAIN}/"}]),
    )


def upstream(sni: str, principals: Sequence[str]) -> Json:
    """Of the outbound side: the called side has to be exactly one of these."""
    return named(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=sni,
        common_tls_context=_context([{"exact": principal} for principal in principals]),
    )


def secrets(credentials: Credentials) -> list[Json]:
    """A workload's certificate with its key, and the root that it trusts."""
    kind = "envoy.extensions.transport_sockets.tls.v3.Secret"
    certificate = {
        "certificate_chain": {"inline_string": credentials.certificate.decode()},
        "private_key": {"inline_string": credentials.key.decode()},
    }
    return [
        resource(kind, name=CERTIFICATE, tls_certificate=certificate),
        resource(kind, name=ROOT, validation_context={"trusted_ca": {"inline_string": credentials.root.decode()}}),
    ]


def _context(peers: list[Json]) -> Json:
    return {
        "alpn_protocols": ["h2", "http/1.1"],
        # TLS 1.3 on both sides: an upstream would settle for 1.2 otherwise.
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE, "sds_config": dynamic()}],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer} for peer in peers]
            },
            "validation_context_sds_secret_config": {"name": ROOT, "sds_config": dynamic()},
        },
    }
