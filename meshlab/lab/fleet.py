"""The replicas of a lab's workloads: started, made to behave, killed, scaled, and compared with what they should be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from meshlab.lab import control
from meshlab.lab.addresses import ADMIN_PORT, APP_PORT, INBOUND_PORT
from meshlab.lab.balance import Books, Ledger
from meshlab.lab.behaviour import Behaviour
from meshlab.lab.client import Client
from meshlab.lab.control_plane import ControlPlane
from meshlab.lab.pods import Pod, Pods
from meshlab.lab.processes import Processes
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar.bootstrap import bootstrap
from meshlab.lab.sidecar.telemetry import ENVIRONMENT
from meshlab.lab.topology import Replica, Topology
from meshlab.lab.workload import BEHAVIOUR, CONCURRENCY, COUNTS, REST

__all__ = ["Fleet", "admin", "sidecar_words", "start_python"]

_DRAIN_S: Final = 3.0
_LONGEST_CALL_S: Final = 70.0


@dataclass(eq=False, kw_only=True)
class Fleet:
    """All replicas, and what is wanted of them."""

    scenario: Scenario
    """As it is at this moment."""
    seed: int
    topology: Topology
    folder: Path
    """For configurations."""
    envoy: str
    """Path of the binary."""
    xds: str
    """Address of the control plane's server."""
    processes: Processes
    client: Client
    control_plane: ControlPlane
    pods: Pods = field(default_factory=Pods)
    _wanted: dict[tuple[str, str], int] = field(init=False)
    _delays: dict[str, float] = field(init=False, default_factory=dict)
    _behaviours: dict[str, Behaviour] = field(init=False, default_factory=dict)
    _ledgers: dict[str, Ledger] = field(init=False, default_factory=dict)
    _closed: list[Books] = field(init=False, default_factory=list)
    _gone: dict[str, dict[str, object]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        specs = self.scenario.workloads.values()
        self._wanted = {(spec.name, cluster): spec.replicas for spec in specs for cluster in spec.clusters}

    @property
    def running(self) -> tuple[Replica, ...]:
        """Replicas that have processes."""
        return tuple(pod.replica for pod in self.pods.living())

    def reach(self, scenario: Scenario, now_s: float) -> None:
        """Make the running mesh match a scenario: behaviour, deaths, replicas and sidecars' configurations."""
        before, self.scenario = self.scenario, scenario
        if before.security != scenario.security:
            # A filter chain that goes takes its counters with it.
            self._read_ledgers()
        for old, new in zip(before.workloads.values(), scenario.workloads.values(), strict=True):
            if old.replicas != new.replicas:
                self._wanted |= {(new.name, cluster): new.replicas for cluster in new.clusters}
        for replica in self.running:
            self._match_behaviour(replica)
            self._match_life(replica)
        self.match_replicas(now_s)
        self.apply(now_s)

    def scale(self, workload: str, cluster: str, replicas: int, now_s: float, delay_s: float) -> None:
        """Set how many replicas there shall be; new ones are ready after the delay at the earliest."""
        self._wanted[workload, cluster] = replicas
        self._delays[workload] = delay_s
        self.match_replicas(now_s)
        self.apply(now_s)

    def apply(self, now_s: float) -> None:
        """Send every sidecar what is new."""
        ready = [pod.replica for pod in self.pods.living() if pod.ready]
        self.control_plane.apply(self.scenario, self.running, ready, now_s)

    def tick(self, now_s: float) -> None:
        """Look after what takes time: replicas that come up, replicas that drain, certificates that are due."""
        changed = self.control_plane.due(self.scenario, now_s)
        for pod in self.pods.living():
            if pod.ready_s is None and self._is_up(pod, now_s):
                self.pods.change(pod.name, ready_s=now_s)
                changed = True
            elif pod.deleted_s is not None and now_s >= pod.deleted_s + _DRAIN_S:
                self._remove(pod)
        if changed:
            self.apply(now_s)

    def not_ready(self) -> str:
        """Which replicas are not up yet; "" when all are."""
        starting = sorted(pod.name for pod in self.pods.living() if pod.ready_s is None)
        return f"not ready: {', '.join(starting)}" if starting else ""

    def books(self) -> list[Books]:
        """What every sidecar has counted, those included that are gone."""
        self._read_ledgers()
        return [
            *self._closed,
            *(self._ledgers[replica.pod].books(replica.name) for replica in self.running if replica.spec.sidecar),
        ]

    def counts(self) -> dict[str, dict[str, object]]:
        """What every service did so far, by pod, in its own words: see `meshlab.lab.workload`."""
        return {**self._gone, **{pod: self.client.json(f"{url}{COUNTS}") for pod, url in self.urls().items()}}

    def concurrency(self, replicas: Iterable[Replica]) -> dict[str, float]:
        """Requests at work or waiting, by pod: the mean since this was last asked."""
        alive = [replica for replica in replicas if replica.pod in self.processes.ids]
        return {replica.pod: float(self.client.post(f"{_service(replica)}{CONCURRENCY}")["mean"]) for replica in alive}

    def rest(self) -> None:
        """Let nobody make requests by itself any more; for the end of a run."""
        for replica in self.running:
            if replica.spec.own_rate_per_s and replica.pod in self.processes.ids:
                self.client.post(f"{_service(replica)}{REST}", timeout_s=_LONGEST_CALL_S)

    def urls(self) -> dict[str, str]:
        """Addresses of the services that answer, by pod: some are dead, and some are not up yet."""
        urls = {replica.pod: _service(replica) for replica in self.running if replica.pod in self.processes.ids}
        return {pod: url for pod, url in urls.items() if self.client.ready(f"{url}{control.HEALTH}")}

    def match_replicas(self, now_s: float) -> None:
        """Start or take out replicas until there are as many as wanted; new ones are ready as soon as they answer."""
        for (name, cluster), replicas in self._wanted.items():
            for replica in self.topology.of_workload(name):
                if replica.cluster != cluster:
                    continue
                pod = self.pods.get(replica.pod)
                if replica.number < replicas and pod is None:
                    self._create(replica, now_s)
                elif replica.number >= replicas and pod is not None and pod.deleted_s is None:
                    self.pods.change(pod.name, deleted_s=now_s)

    def _create(self, replica: Replica, now_s: float) -> None:
        self._start_service(replica)
        if replica.spec.sidecar:
            self._start_sidecar(replica)
        names = {"app": replica.pod, "istio-proxy": _sidecar(replica)}
        ids = self.processes.ids
        processes = {container: ids[name] for container, name in names.items() if name in ids}
        self.pods.add(Pod(replica, now_s, None, None, processes))
        self.apply(now_s)

    def _is_up(self, pod: Pod, now_s: float) -> bool:
        if pod.deleted_s is not None or now_s < pod.created_s + self._delays.get(pod.replica.name, 0.0):
            return False
        urls = [f"{_service(pod.replica)}{control.HEALTH}"]
        urls += [f"{admin(pod.replica)}/ready"] if pod.replica.spec.sidecar else []
        return all(self.client.ready(url) for url in urls)

    def _remove(self, pod: Pod) -> None:
        """The end of a replica; what its sidecar counted is kept."""
        if pod.replica.spec.sidecar:
            self._read_ledger(pod.replica)
            self._closed.append(self._ledgers.pop(pod.name).books(pod.replica.name))
        if pod.name in self.processes.ids:
            self._gone[f"{pod.name}, created {pod.created_s:.0f}"] = self.client.json(
                f"{_service(pod.replica)}{COUNTS}"
            )
        for name in (_sidecar(pod.replica), pod.name):
            self.processes.end(name)
        self.pods.remove(pod.name)
        self._behaviours.pop(pod.name, None)
        self.control_plane.forget(pod.name)

    def _match_behaviour(self, replica: Replica) -> None:
        wanted = self._behaviour(replica)
        if self._behaviours[replica.pod] != wanted and replica.pod in self.processes.ids:
            self.client.post(f"{_service(replica)}{BEHAVIOUR}", msgspec.to_builtins(wanted))
            self._behaviours[replica.pod] = wanted

    def _match_life(self, replica: Replica) -> None:
        dead = replica.cluster in self.scenario.workload(replica.name).down_in
        if dead:
            self.processes.end(replica.pod, kill=True)
        elif replica.pod not in self.processes.ids:
            self._start_service(replica)

    def _behaviour(self, replica: Replica) -> Behaviour:
        spec = self.scenario.workload(replica.name)
        direct = {
            service: [
                f"http://{other.address}:{INBOUND_PORT if other.spec.sidecar else APP_PORT}"
                for other in self.topology.replicas
                if other.spec.service == service and other.number < self._wanted[other.name, other.cluster]
            ]
            for service in spec.calls
            if not spec.sidecar
        }
        return Behaviour.of(replica, self.seed, spec=spec, direct=direct)

    def _start_service(self, replica: Replica) -> None:
        behaviour = self._behaviour(replica)
        self._behaviours[replica.pod] = behaviour
        start_python(self.processes, self.folder, replica.pod, "meshlab.lab.workload", behaviour)

    def _start_sidecar(self, replica: Replica) -> None:
        config = self.folder / f"{_sidecar(replica)}.json"
        config.write_text(json.dumps(bootstrap(replica, self.xds)), encoding="utf-8")
        options = ["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1", "--log-level", "warning"]
        # A mistake of the control plane is refused, not ignored.
        options.append("--reject-unknown-dynamic-fields")
        self.processes.start(_sidecar(replica), [self.envoy, "-c", str(config), *options], ENVIRONMENT)

    def _read_ledgers(self) -> None:
        for replica in self.running:
            if replica.spec.sidecar:
                self._read_ledger(replica)

    def _read_ledger(self, replica: Replica) -> None:
        self._ledgers.setdefault(replica.pod, Ledger()).read(self.client.text(f"{admin(replica)}/stats/prometheus"))


def admin(replica: Replica) -> str:
    """Address of a sidecar's administration."""
    return f"http://{replica.address}:{ADMIN_PORT}"


def start_python(processes: Processes, folder: Path, name: str, module: str, config: object) -> None:
    """Start a Python part of the lab with its configuration in a file."""
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode(config))
    # The child has to find this very meshlab, wherever it was imported from.
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    processes.start(name, [sys.executable, "-P", "-m", module, str(path)], environment)


def _service(replica: Replica) -> str:
    return f"http://{replica.address}:{APP_PORT}"


def _sidecar(replica: Replica) -> str:
    return f"{replica.pod}-envoy"


def sidecar_words(processes: Processes, replicas: Iterable[Replica]) -> dict[str, str]:
    """Every sidecar's last words, by pod."""
    return {replica.pod: processes.last_words(_sidecar(replica)) for replica in replicas if replica.spec.sidecar}
