"""Who stands where: the replicas of a scenario's workloads with their addresses, names and identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshlab.errors import ParameterError
from meshlab.lab.addresses import AddressBlock
from meshlab.lab.scenario import Scenario
from meshlab.lab.specs.workloads import WorkloadSpec

__all__ = ["TRUST_DOMAIN", "Replica", "Topology", "Upstream", "places", "principal", "service_host"]

TRUST_DOMAIN: Final = "cluster.local"
_SERVICE_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a workload: its specification, address and identity, in Istio's words."""

    spec: WorkloadSpec
    """Its specification in the scenario."""
    namespace: str
    """Kubernetes namespace."""
    address: str
    """Its own loopback address; sidecar and service listen there on the same ports everywhere."""
    cluster: str
    """The cluster that it runs in."""
    number: int
    """Which of the replicas in that cluster, from 0."""

    @property
    def name(self) -> str:
        """The workload's name, which its replicas share."""
        return self.spec.name

    @property
    def pod(self) -> str:
        """The pod's name: unique in the lab."""
        place = f"-{self.cluster}" if len(self.spec.clusters) > 1 else ""
        return f"{self.spec.name}{place}-{self.number}"

    @property
    def host(self) -> str:
        """The host name of the service that it stands behind."""
        return service_host(self.spec.service, self.namespace)

    @property
    def principal(self) -> str:
        """Its SPIFFE identity."""
        return principal(self.namespace, self.spec.service_account)

    @property
    def identity(self) -> dict[str, str]:
        """What its peers learn about it."""
        return {
            "workload": self.spec.name,
            "namespace": self.namespace,
            "app": self.spec.service,
            "version": self.spec.version,
            "cluster": self.cluster,
            "service": self.spec.service,
            "revision": self.spec.version,
        }


@dataclass(frozen=True, slots=True)
class Upstream:
    """One cluster of a sidecar's outbound side: a service, or one version of it."""

    service: str
    namespace: str
    version: str
    """The version, or "" when the cluster holds them all."""
    replicas: tuple[Replica, ...]
    """The replicas that may ever be its endpoints, in all clusters, running or not."""

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
    """All replicas that may ever run in a lab, and the splits among versions."""

    replicas: tuple[Replica, ...]
    """Sorted by workload, cluster and number. Those with a number below the scenario's `replicas` run from the
    beginning; an autoscaler or an event may start the others.
    """
    splits: Mapping[str, Mapping[str, int]]
    """Weights of a service's versions, by service."""

    @classmethod
    def place(cls, scenario: Scenario, block: AddressBlock) -> Topology:
        """Give every replica of a scenario's workloads an address."""
        slots = places(scenario)
        placed = (
            Replica(spec, scenario.namespace, block.workload(index), cluster, number)
            for index, (spec, cluster, number) in enumerate(slots)
        )
        return cls(tuple(placed), scenario.splits)

    def of_workload(self, name: str) -> tuple[Replica, ...]:
        """All replicas of a workload."""
        return tuple(replica for replica in self.replicas if replica.name == name)

    def first(self, name: str) -> Replica:
        """The first replica of a workload, which has to exist."""
        return self.of_workload(name)[0]

    def upstreams(self, service: str, *, mirror: str = "") -> tuple[Upstream, ...]:
        """The clusters that a caller of a service needs: one a version where there is a split or a mirror, else one.

        Parameters
        ----------
        mirror : str
            A version that gets mirrored requests; it needs a cluster of its own.
        """
        behind = tuple(replica for replica in self.replicas if replica.spec.service == service)

        def upstream(version: str) -> Upstream:
            own = tuple(replica for replica in behind if replica.spec.version == version)
            return Upstream(service, behind[0].namespace, version, own)

        split = self.splits.get(service, {})
        versioned = [upstream(version) for version in dict.fromkeys((*split, *filter(None, [mirror])))]
        if split:
            return tuple(versioned)
        # Without a split the service as a whole gets the requests, but not those meant for its mirror.
        rest = tuple(replica for replica in behind if replica.spec.version != mirror)
        return (Upstream(service, behind[0].namespace, "", rest), *versioned)


def places(scenario: Scenario) -> list[tuple[WorkloadSpec, str, int]]:
    """Every replica that may ever run: workload, cluster, number."""
    slots = []
    for spec in scenario.workloads.values():
        for at, cluster in enumerate(spec.clusters):
            slots += [(spec, cluster, number) for number in range(_most(scenario, spec, first=at == 0))]
    if not slots:
        raise ParameterError("no workload of the scenario has a replica", "set replicas to 1 or more")
    return slots


def _most(scenario: Scenario, spec: WorkloadSpec, *, first: bool) -> int:
    """The most replicas in one cluster that the scenario, its events or an autoscaler ask for."""
    scaler = scenario.autoscalers.get(spec.name)
    asked = [scenario.at(at_s).workload(spec.name).replicas for at_s in scenario.moments]
    return max(spec.replicas, *asked, scaler.most if scaler and first else 0, 0)


def principal(namespace: str, account: str) -> str:
    """The SPIFFE identity of a service account."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"


def service_host(service: str, namespace: str) -> str:
    """The host name of a service inside its cluster."""
    return f"{service}.{namespace}.svc.cluster.local"
