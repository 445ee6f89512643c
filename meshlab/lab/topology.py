"""Who stands where: the workloads of a scenario with their addresses, names and identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshlab.lab.addresses import AddressBlock
from meshlab.lab.scenario import Scenario, Split, WorkloadSpec

__all__ = ["CLUSTER", "TRUST_DOMAIN", "Topology", "Upstream", "Workload"]

CLUSTER: Final = "Kubernetes"
TRUST_DOMAIN: Final = "cluster.local"
_SERVICE_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Workload:
    """A placed workload: its specification, address and identity, in Istio's words.

    Parameters
    ----------
    spec : WorkloadSpec
        What the scenario says of it.
    namespace : str
        Kubernetes namespace.
    address : str
        Its own loopback address; sidecar and service listen there on the same ports everywhere.
    """

    spec: WorkloadSpec
    namespace: str
    address: str

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.spec.name

    @property
    def pod(self) -> str:
        """The pod's name."""
        return f"{self.spec.name}-0"

    @property
    def host(self) -> str:
        """The host name of the service that it stands behind."""
        return service_host(self.spec.service, self.namespace)

    @property
    def principal(self) -> str:
        """Its SPIFFE identity; all versions of a service share one service account, as is usual in Kubernetes."""
        return f"spiffe://{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.spec.service}"

    @property
    def identity(self) -> dict[str, str]:
        """What it tells its peers about itself."""
        return {
            "workload": self.spec.name,
            "namespace": self.namespace,
            "app": self.spec.service,
            "version": self.spec.version,
            "cluster": CLUSTER,
            "service": self.spec.service,
            "revision": self.spec.version,
        }


@dataclass(frozen=True, slots=True)
class Upstream:
    """One cluster of a sidecar's outbound side: a service, or one version of it.

    Parameters
    ----------
    service, namespace : str
        The service.
    version : str
        The version, or "" when the cluster holds them all.
    workloads : tuple of Workload
        Its endpoints.
    """

    service: str
    namespace: str
    version: str
    workloads: tuple[Workload, ...]

    @property
    def host(self) -> str:
        """The service's host name."""
        return service_host(self.service, self.namespace)

    @property
    def cluster(self) -> str:
        """The name of the Envoy cluster, as Istio builds it."""
        return f"outbound|{_SERVICE_PORT}|{self.version}|{self.host}"

    @property
    def sni(self) -> str:
        """The server name of the TLS handshake, as Istio builds it."""
        return f"outbound_.{_SERVICE_PORT}_.{self.version}_.{self.host}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All workloads of a lab and the splits among them."""

    workloads: tuple[Workload, ...]
    splits: tuple[Split, ...]

    @classmethod
    def place(cls, scenario: Scenario, block: AddressBlock) -> Topology:
        """Give every workload of a scenario an address."""
        placed = (
            Workload(spec, scenario.namespace, block.workload(index)) for index, spec in enumerate(scenario.workloads)
        )
        return cls(tuple(placed), scenario.splits)

    def workload(self, name: str) -> Workload:
        """A workload by its name, which has to exist."""
        return next(workload for workload in self.workloads if workload.name == name)

    def split(self, service: str) -> Split | None:
        """The weights of a service's versions, if it has any."""
        return next((split for split in self.splits if split.service == service), None)

    def upstreams(self, service: str) -> tuple[Upstream, ...]:
        """The clusters that a caller of a service needs: one a version where there is a split, else one."""
        behind = tuple(workload for workload in self.workloads if workload.spec.service == service)
        namespace = behind[0].namespace
        split = self.split(service)
        if split is None:
            return (Upstream(service, namespace, "", behind),)
        return tuple(
            Upstream(service, namespace, version, tuple(w for w in behind if w.spec.version == version))
            for version, _ in split.weights
        )


def service_host(service: str, namespace: str) -> str:
    """The host name of a service inside its cluster."""
    return f"{service}.{namespace}.svc.cluster.local"
