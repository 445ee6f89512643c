"""What meshes export beside requests: connections, refusals, certificates, signatures, decisions of policies, TLS."""

from __future__ import annotations

from typing import Final

from meshlab.core.window import Window
from meshlab.telemetry.mesh import Answer, Mesh
from meshlab.telemetry.signals import gauges, increases

__all__ = ["COLUMNS", "ENDS", "exported"]

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
"""What is known of a connection; ``proxy`` is ``node`` where one proxy serves a whole node, and else empty."""

_POD: Final = ("cluster", "namespace", "pod", "instance")


def exported(mesh: Mesh, window: Window, namespace: str, block_ms: int) -> dict[str, Answer]:
    """Ask for everything but requests.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    namespace : str
        Empty for all.
    block_ms : int
        Length of a block, milliseconds.

    Returns
    -------
    dict of str to Answer
        In blocks (``block``, ``value``): ``connections`` and ``bytes`` (`COLUMNS`), ``refused`` (the same with
        ``unit``, ``protocol`` and ``denied``, "True" or "False": what the mesh's own counters say that its policies
        did), ``signing`` (``what`` was signed or refused, ``error``) and ``rbac`` (decisions of policies: ``result``).
        As scraped (``time``, ``value``): ``certificates`` (``name``, ``view``, the end in unix seconds) and
        ``rejections`` (``resource``, ``kind``: new certificates that a proxy did not take). At the end (``value``):
        handshakes by ``version`` (``versions``) and by ``cipher`` (``ciphers``).
    """

    def counted(name: str, *columns: str, where: str = namespace) -> Answer:
        return increases(mesh, name, columns, window, block_ms, namespace=where)

    def scraped(name: str, *columns: str, last: bool = False) -> Answer:
        return gauges(mesh, name, (*_POD, *columns), window, namespace=namespace, last=last)

    return {
        "connections": counted("connections", *COLUMNS),
        "bytes": counted("bytes", *COLUMNS),
        "refused": counted("denials", *COLUMNS, "unit", "protocol", "denied"),
        "certificates": scraped("certificates", "name", "view"),
        "rejections": scraped("rejections", "resource", "kind"),
        # Authorities sign for all namespaces.
        "signing": counted("signing", *_POD, "error", "what", where=""),
        "rbac": counted("decisions", *_POD, "result"),
        "versions": scraped("tls_versions", "version", last=True),
        "ciphers": scraped("tls_ciphers", "cipher", last=True),
    }
