"""What the security question asks the mesh: once, for everything in scope."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.evidence import Evidence, Missing
from meshlab.core.window import Window
from meshlab.questions.security.exported import ENDS, exported
from meshlab.questions.security.scope import Scope
from meshlab.questions.security.settings import Policy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.mesh import Mesh

__all__ = ["WORDS", "collect"]

WORDS: Final = (
    *ENDS,
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""The words that a request's security is told by."""


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask for requests by edge and identity, connections, certificates, authorization, and TLS.

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
        Optional: those of `exported.exported`. ``chosen`` is the length of a block, milliseconds.
    """
    policy, scope = policy or Policy(), scope or Scope()
    where = [Condition("destination_namespace", (scope.namespace,))] if scope.namespace else []
    block_ms = 1000 * (policy.block_s or min(max((window.end_ms - window.start_ms) // 100_000, 10), 900))
    answers = {
        "seen": mesh.request_counts(window, WORDS, where, reporter=Reporter.DESTINATION, block_ms=block_ms),
        "sent": mesh.request_counts(window, WORDS, where, reporter=Reporter.SOURCE, block_ms=block_ms),
        **exported(mesh, window, scope.namespace, block_ms),
    }
    lacking = {
        "seen": Missing("requests as the called workloads' proxies count them", mesh.remedy("destination")),
        "connections": Missing("TCP connections", "nothing, where the mesh carries HTTP and gRPC alone"),
        "certificates": Missing("ends of certificates", mesh.remedy("certificates")),
        "rbac": Missing("decisions of authorization policies", "let Prometheus scrape the proxies' own statistics"),
        "signing": Missing("what the certificate authority signed", mesh.remedy("signing")),
        "versions": Missing("TLS versions: this mesh does not export them", mesh.remedy("tls_versions")),
        "ciphers": Missing("TLS ciphers: this mesh does not export them", mesh.remedy("tls_ciphers")),
    }
    return Evidence(
        frames=MappingProxyType({name: _told_once(answer.frame) for name, answer in answers.items()}),
        window=window,
        source=f"{mesh.source} ({mesh.name})",
        queries=MappingProxyType({name: answer.query for name, answer in answers.items()}),
        missing=MappingProxyType({n: m for n, m in lacking.items() if answers[n].frame.empty}),
        # Of several meshes in one store, the one that renews first.
        notes=MappingProxyType({"renew_after": str(min(dialect.renew_after for dialect in mesh.dialects))}),
        chosen=block_ms,
    )


def _told_once(frame: pd.DataFrame) -> pd.DataFrame:
    """Long frames keep each text once: a day of a large mesh is millions of rows of few words."""
    words = [word for word in WORDS if word in frame]
    return frame.astype(dict.fromkeys(words, "category")) if "count" in frame else frame
