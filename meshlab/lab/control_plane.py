"""The lab's control plane: what each sidecar is configured with, which have taken it, and whose certificate is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime, timedelta

from meshlab.errors import LabError
from meshlab.lab import xds
from meshlab.lab.certificates import Authority, Credentials
from meshlab.lab.client import Client
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar.clusters import clusters, endpoints
from meshlab.lab.sidecar.listeners import listeners
from meshlab.lab.sidecar.messages import Json
from meshlab.lab.sidecar.routes import routes
from meshlab.lab.sidecar.tls import secrets
from meshlab.lab.topology import TRUST_DOMAIN, Replica, Topology

__all__ = ["ControlPlane", "Snapshot", "snapshot"]

Snapshot = dict[str, list[Json]]
"""Resources by the last word of their discovery path: ``listeners``, ``routes``, ..."""


@dataclass(eq=False)
class ControlPlane:
    """Publishes every sidecar's configuration through `meshlab.lab.xds`."""

    client: Client
    url: str
    """Address of the server."""
    topology: Topology
    now_s: InitVar[float]
    """Unix seconds; the authority is as old as the lab."""

    def __post_init__(self, now_s: float) -> None:
        self._authority = Authority(TRUST_DOMAIN, _time(now_s))
        self._issued: dict[str, tuple[Credentials, float]] = {}

    def apply(self, scenario: Scenario, running: Collection[Replica], ready: Collection[Replica], now_s: float) -> None:
        """Configure every sidecar as a scenario wants it; only changes are sent.

        Parameters
        ----------
        scenario : Scenario
            As it is at this moment.
        running : collection of Replica
            The replicas that have a sidecar process.
        ready : collection of Replica
            Those of them that may get requests.
        now_s : float
            Unix seconds, for certificates that are issued or renewed.
        """
        self._renew(scenario, running, now_s)
        # A replica without a sidecar can be called too, but nobody in the shop does: only its own calls matter.
        reachable = [replica for replica in ready if replica.spec.sidecar]
        self.client.put(
            f"{self.url}{xds.SNAPSHOTS}",
            {
                replica.pod: snapshot(scenario, self.topology, replica, reachable, self._issued[replica.pod][0])
                for replica in running
                if replica.spec.sidecar
            },
        )

    def due(self, scenario: Scenario, now_s: float) -> bool:
        """Whether a certificate is to be renewed: time to `apply`."""
        return any(self._is_due(scenario, pod, now_s) for pod in self._issued)

    def forget(self, pod: str) -> None:
        """A replica is gone."""
        self._issued.pop(pod, None)

    def pending(self, reasons: Mapping[str, str] | None = None) -> str:
        """Which sidecars have not taken the newest configuration; "" when all have.

        Parameters
        ----------
        reasons : mapping of str to str, optional
            A sidecar's last words, by pod, for the message.

        Raises
        ------
        LabError
            A sidecar refuses it.
        """
        states = self.client.json(f"{self.url}{xds.STATES}")
        for pod, kinds in states.items():
            for kind, state in kinds.items():
                if state == "refused" and pod in self._issued:
                    reason = (reasons or {}).get(pod, "")
                    raise LabError(f"the sidecar of {pod} refuses its {kind}{f': {reason}' if reason else ''}")
        behind = sorted(pod for pod, kinds in states.items() if pod in self._issued and "waiting" in kinds.values())
        return f"new configuration is under way to {', '.join(behind)}" if behind else ""

    def _renew(self, scenario: Scenario, running: Collection[Replica], now_s: float) -> None:
        lifetime = timedelta(seconds=scenario.security.certificates.lifetime_s)
        for replica in running:
            if replica.spec.sidecar and (replica.pod not in self._issued or self._is_due(scenario, replica.pod, now_s)):
                issued = self._authority.issue(replica.principal, _time(now_s), lifetime)
                self._issued[replica.pod] = (issued, now_s)

    def _is_due(self, scenario: Scenario, pod: str, now_s: float) -> bool:
        certificates = scenario.security.certificates
        if not certificates.rotate_after:
            return False
        name = next(replica.name for replica in self.topology.replicas if replica.pod == pod)
        age_s = now_s - self._issued[pod][1]
        return scenario.workload(name).rotates and age_s >= certificates.lifetime_s * certificates.rotate_after


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


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
