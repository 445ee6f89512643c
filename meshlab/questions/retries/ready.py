"""Whether retries can be looked at in a store."""

from __future__ import annotations

from meshlab.core.evidence import Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.window import Window
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Mesh

__all__ = ["ready"]


def ready(mesh: Mesh, window: Window) -> Readiness:
    """Look for requests at the callers, and for what tells their attempts.

    Parameters
    ----------
    mesh : Mesh
    window : Window
        The last minutes.
    """
    block_ms = max(1000, window.end_ms - window.start_ms)
    words = ("destination_service",)
    if mesh.request_counts(window, words, reporter=Reporter.SOURCE, block_ms=block_ms).frame.empty:
        lack = Missing("requests as the callers' proxies count them", mesh.remedy("source"))
        return Readiness(State.LACKING, "no requests were counted by callers", (lack,))
    own = not mesh.retry_counts(window, block_ms=block_ms).frame.empty
    ends = not mesh.request_counts(window, words, reporter=Reporter.DESTINATION, block_ms=block_ms).frame.empty
    if own:
        return Readiness(State.READY, "the callers' proxies count their retries")
    lack = Missing("the proxies' own retry counters", "let the callers' proxies export cluster.*.upstream_rq_.*")
    if ends and not mesh.counts_attempts:
        return Readiness(State.READY, "attempts are told by the requests at both ends", (lack,))
    return Readiness(State.LACKING, "nothing tells how often requests were tried", (lack,))
