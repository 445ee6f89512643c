"""Everything that the control plane configures one sidecar with."""

from __future__ import annotations

from collections.abc import Iterable

from meshlab.lab.certificates import Credentials
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar.clusters import clusters, endpoints
from meshlab.lab.sidecar.listeners import listeners
from meshlab.lab.sidecar.messages import Json
from meshlab.lab.sidecar.routes import routes
from meshlab.lab.sidecar.tls import secrets
from meshlab.lab.topology import Replica, Topology

__all__ = ["Snapshot", "snapshot"]

Snapshot = dict[str, list[Json]]
"""Resources by the last word of their discovery path: ``listeners``, ``routes``, ..."""


def snapshot(
    scenario: Scenario, topology: Topology, replica: Replica, ready: Iterable[Replica], credentials: Credentials
) -> Snapshot:
    """Build a sidecar's whole configuration.

    Parameters
    ----------
    scenario : Scenario
        As it is at this moment.
    replica : Replica
        Whose sidecar it is.
    ready : iterable of Replica
        The replicas that may get requests.
    credentials : Credentials
        Its certificate.
    """
    return {
        "clusters": clusters(scenario, topology, replica),
        "endpoints": endpoints(scenario, topology, replica, ready),
        "listeners": listeners(scenario, replica),
        "routes": routes(scenario, topology, replica),
        "secrets": secrets(credentials),
    }
