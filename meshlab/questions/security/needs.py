"""What the security question asks the mesh: once, for everything in scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meshlab.core.window import Window
from meshlab.questions.base import Asking, Need
from meshlab.questions.security import connections, exported
from meshlab.questions.security.connections import ENDS
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Answer

__all__ = ["NEEDS", "WORDS"]

WORDS: Final = (*ENDS, "protocol", "code", "grpc_status", "flags", "tls")
"""The dimensions by which requests are counted."""


def _of_pods(ask: Callable[[Exporter, Window], Answer]) -> Callable[[Asking], Answer]:
    return lambda asking: ask(Exporter(asking.mesh, asking.settings.namespace), asking.window)


NEEDS: Final[Mapping[str, Need]] = MappingProxyType(
    {
        "destination": Need(
            ask="request_counts",
            by=WORDS,
            reporter=Reporter.DESTINATION,
            what="requests as the called workloads' proxies count them",
            remedy="destination",
        ),
        "source": Need(ask="request_counts", by=WORDS, reporter=Reporter.SOURCE),
        "connections": Need(
            ask=connections.opened,
            what="TCP connections",
            remedy="nothing, where the mesh carries HTTP and gRPC alone",
        ),
        "bytes": Need(ask=connections.carried),
        "refused": Need(ask=connections.refused),
        "certificates": Need(
            ask=_of_pods(exported.certificates),
            what="certificate expiry times",
            remedy="let Prometheus scrape the agents (istio_agent_cert_expiry_seconds), or export "
            "*.ssl.certificate.* with proxyStatsMatcher",
        ),
        "rejections": Need(ask=_of_pods(exported.rejections)),
        # The authority signs for all namespaces, and stands in its own.
        "signing": Need(
            ask=lambda asking: exported.signing(Exporter(asking.mesh), asking.window, asking.block_ms),
            what="what the certificate authority signed",
            remedy="let Prometheus scrape istiod (port 15014)",
        ),
        "rbac": Need(
            ask=lambda asking: exported.decisions(
                Exporter(asking.mesh, asking.settings.namespace), asking.window, asking.block_ms
            ),
            what="decisions of authorization policies",
            remedy="let Prometheus scrape the proxies' own statistics",
        ),
        "versions": Need(
            ask=_of_pods(exported.versions),
            what="TLS versions",
            remedy="export listener.*.ssl.versions.* with proxyStatsMatcher",
        ),
        "ciphers": Need(
            ask=_of_pods(exported.ciphers),
            what="TLS ciphers",
            remedy="export listener.*.ssl.ciphers.* with proxyStatsMatcher",
        ),
    }
)
