"""Which release of Envoy each proxy runs: what its bucket edges mean depends on it."""

from __future__ import annotations

from typing import Final

from meshlab.core.window import Span
from meshlab.telemetry import signals
from meshlab.telemetry.dialects.edges import Release, proxy_release
from meshlab.telemetry.mesh import Mesh

__all__ = ["proxy_releases"]

_COLUMNS: Final = ["pod", "instance", "version", "ahead"]


def proxy_releases(mesh: Mesh, span: Span, namespace: str = "") -> dict[str, Release]:
    """Releases of Envoy by proxy (pod, or instance where the pod is not known); none of those that do not say.

    Parameters
    ----------
    mesh : Mesh
    span : Span
        The last release in it counts.
    namespace : str
        Empty for all.

    Notes
    -----
    ``dialects.edges.true_edges`` says what an edge means, ``incomparable_edges`` where two arms cannot be compared.
    """
    table = signals.gauges(mesh, "builds", _COLUMNS, span, namespace=namespace, last=True).frame
    found: dict[str, Release] = {}
    for pod, instance, version, ahead in table[_COLUMNS].itertuples(index=False, name=None):
        release = proxy_release(str(version), ahead=int(ahead or 0))
        if release is not None:
            found[str(pod) or str(instance)] = release
    return found
