"""Whether a store can tell how secure the traffic is."""

from __future__ import annotations

from meshlab.core.evidence import Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.window import Window
from meshlab.telemetry.mesh import Mesh

__all__ = ["ready"]


def ready(mesh: Mesh, window: Window) -> Readiness:
    """Look for requests that say how they were protected: two small questions or so.

    Parameters
    ----------
    mesh : Mesh
    window : Window
        The last minutes.
    """
    table = mesh.totals(window, ("tls",)).frame
    if table.empty:
        return Readiness(State.LACKING, "no requests were counted", (Missing("requests", mesh.remedy("destination")),))
    known = table[~table["tls"].isin(["", "unknown", "-"])]
    if known.empty:
        return Readiness(
            State.LACKING,
            "no proxy of a called workload says how its requests were protected",
            (Missing("requests as the called side sees them", mesh.remedy("destination")),),
        )
    return Readiness(State.READY, "requests say how they were protected")
