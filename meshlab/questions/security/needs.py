"""What the security question asks the mesh: once, for everything in scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from meshlab.core.counts import Counts
from meshlab.questions.base import Asking, Need
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Answer
from meshlab.telemetry.signals import gauges, increases

__all__ = ["COLUMNS", "ENDS", "NEEDS", "WORDS"]

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

WORDS: Final = (*ENDS, "protocol", "code", "grpc_status", "flags", "tls")
"""The dimensions by which requests are counted."""

COLUMNS: Final = (*ENDS, "flags", "tls", "proxy")
"""What is known of a connection; ``proxy`` is ``node`` where one proxy serves a whole node, and else empty."""

_POD: Final = ("cluster", "namespace", "pod", "instance")


def _counted(signal: str, *columns: str, everywhere: bool = False) -> Callable[[Asking], Counts]:
    """Counters of a signal in blocks: the columns, ``block`` and ``value``."""

    def ask(asking: Asking) -> Counts:
        namespace = "" if everywhere else asking.settings.namespace
        return increases(asking.mesh, signal, columns, asking.window, asking.block_ms, namespace=namespace)

    return ask


def _scraped(signal: str, *columns: str, last: bool = False) -> Callable[[Asking], Answer]:
    """Gauges of a signal as they were scraped, or the last ones: the pod, the columns, ``time`` and ``value``."""
    return lambda asking: gauges(
        asking.mesh, signal, (*_POD, *columns), asking.window, namespace=asking.settings.namespace, last=last
    )


NEEDS: Final[Mapping[str, Need]] = {
    "destination": Need(
        ask="request_counts",
        by=WORDS,
        reporter=Reporter.DESTINATION,
        what="requests as the called workloads' proxies count them",
        remedy="destination",
    ),
    "source": Need(ask="request_counts", by=WORDS, reporter=Reporter.SOURCE),
    "connections": Need(
        ask=_counted("connections", *COLUMNS),
        what="TCP connections",
        remedy="nothing, where the mesh carries HTTP and gRPC alone",
    ),
    "bytes": Need(ask=_counted("bytes", *COLUMNS)),
    "refused": Need(ask=_counted("denials", *COLUMNS, "unit", "protocol", "denied")),
    "certificates": Need(
        ask=_scraped("certificates", "name", "view"), what="certificate expiry times", remedy="certificates"
    ),
    "rejections": Need(ask=_scraped("rejections", "resource", "kind")),
    # Authorities sign for all namespaces, and stand in their own.
    "signing": Need(
        ask=_counted("signing", *_POD, "error", "what", everywhere=True),
        what="what the certificate authority signed",
        remedy="signing",
    ),
    "rbac": Need(
        ask=_counted("decisions", *_POD, "result"),
        what="decisions of authorization policies",
        remedy="let Prometheus scrape the proxies' own statistics",
    ),
    "versions": Need(ask=_scraped("tls_versions", "version", last=True), what="TLS versions", remedy="tls_versions"),
    "ciphers": Need(ask=_scraped("tls_ciphers", "cipher", last=True), what="TLS ciphers", remedy="tls_ciphers"),
}
