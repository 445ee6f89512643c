"""What a sidecar is started with: who it is, where its control plane is, and which statistics it keeps."""

from __future__ import annotations

from typing import Final

from meshlab.lab.addresses import ADMIN_PORT, APP_PORT
from meshlab.lab.sidecar import telemetry
from meshlab.lab.sidecar.messages import Json, assignment, socket
from meshlab.lab.topology import Replica

__all__ = ["CONTROL_PLANE", "bootstrap", "dynamic"]

CONTROL_PLANE: Final = "xds"
"""The only cluster that a sidecar knows from the beginning."""

_HELD: Final = "60s"


def bootstrap(replica: Replica, control_plane: str) -> Json:
    """Build what Envoy reads from its file.

    Parameters
    ----------
    replica : Replica
        Whose sidecar it is.
    control_plane : str
        The address of `meshlab.lab.xds`.

    Returns
    -------
    dict
        An Envoy bootstrap, ready for JSON.
    """
    return {
        "node": {"id": replica.pod, "cluster": f"{replica.spec.service}.{replica.namespace}"},
        "admin": {"address": socket(replica.address, ADMIN_PORT)},
        # Histograms are merged only when statistics are flushed: with the usual 5 s they would lag their counters.
        "stats_flush_interval": "1s",
        "stats_config": telemetry.stats_config(),
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "dynamic_resources": {"lds_config": dynamic(), "cds_config": dynamic()},
        "static_resources": {
            "clusters": [
                {
                    "name": CONTROL_PLANE,
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": assignment(CONTROL_PLANE, control_plane, APP_PORT),
                }
            ]
        },
    }


def dynamic() -> Json:
    """Where a resource comes from. The control plane holds each request until it has something new.

    Files would cost an inotify instance each, of which a user has 128; polling would come late.
    """
    return {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [CONTROL_PLANE],
            "refresh_delay": "0.05s",
            "request_timeout": _HELD,
        },
    }
