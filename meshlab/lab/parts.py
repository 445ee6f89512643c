"""The parts of a lab: how each is started, and what each can be asked."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import Any, Final

from meshlab.lab import binaries, control, load, prometheus, xds
from meshlab.lab.addresses import APP_PORT, INBOUND_PORT, AddressBlock
from meshlab.lab.balance import Balance
from meshlab.lab.client import Client
from meshlab.lab.control_plane import ControlPlane
from meshlab.lab.fleet import Fleet, admin, start_python
from meshlab.lab.lag import Lags
from meshlab.lab.load import LoadPlan
from meshlab.lab.processes import Processes
from meshlab.lab.scenario import Scenario
from meshlab.lab.topology import Topology

__all__ = ["Parts"]

_LOAD: Final = "load"
_PROMETHEUS: Final = "prometheus"
_XDS: Final = "control-plane"


@dataclass(eq=False)
class Parts:
    """Prometheus, the load generator, the control plane, and the fleet of services with their sidecars."""

    scenario: Scenario
    """What to build."""
    seed: int
    """Seeds the load and every service."""
    folder: Path
    """For configurations, logs and Prometheus's data."""
    block: AddressBlock
    """Where they listen."""
    processes: Processes
    """Where they are started."""
    client: Client
    """How they are asked."""
    now_s: InitVar[float]
    """Unix seconds."""

    def __post_init__(self, now_s: float) -> None:
        self.topology = Topology.place(self.scenario, self.block)
        host, port = self.block.prometheus
        self.prometheus_url = f"http://{host}:{port}"
        self._xds_url = f"http://{self.block.control_plane}:{APP_PORT}"
        self._load_url = f"http://{self.block.load}:{APP_PORT}"
        self.control_plane = ControlPlane(self.client, self._xds_url, self.topology, now_s)
        self.fleet = Fleet(
            scenario=self.scenario,
            seed=self.seed,
            topology=self.topology,
            folder=self.folder,
            envoy=binaries.envoy(),
            xds=self.block.control_plane,
            processes=self.processes,
            client=self.client,
            control_plane=self.control_plane,
        )
        self._starting: dict[str, str] = {}
        self._scraped: tuple[str, ...] = ()

    def start(self) -> None:
        """Start all but the fleet, which needs the control plane, and wait for none."""
        # First of all: Prometheus takes its first look at its targets only some seconds after its start.
        scrape_s, targets = self.scenario.scrape_interval_s, f"{self._xds_url}{xds.TARGETS}"
        config = prometheus.configuration(targets, self.block.kube, scrape_s)
        command = prometheus.command(binaries.prometheus(), self.folder, config, self.block.prometheus)
        self.processes.start(_PROMETHEUS, command, {})
        self._starting[_PROMETHEUS] = f"{self.prometheus_url}/-/ready"
        self._start_python(_XDS, "meshlab.lab.xds", {"address": self.block.control_plane}, self._xds_url)
        target = self.topology.first(self.scenario.load.target)
        plan = LoadPlan(
            address=self.block.load,
            url=f"http://{target.address}:{INBOUND_PORT}/",
            host=target.host,
            stream=f"{self.seed}/load",
            load=self.scenario.load,
            until_s=self.scenario.duration_s + 60.0,
        )
        self._start_python(_LOAD, "meshlab.lab.load", plan, self._load_url)

    def not_ready(self) -> str:
        """Which parts other than the fleet are not up yet; "" when all are."""
        for name in [name for name, url in self._starting.items() if self.client.ready(url)]:
            del self._starting[name]
        return f"not ready: {', '.join(sorted(self._starting))}" if self._starting else ""

    def tell_prometheus(self) -> None:
        """Let Prometheus scrape the sidecars that there are."""
        running = self.fleet.running
        names = tuple(sorted(replica.pod for replica in running))
        if names != self._scraped:
            self.client.put(f"{self._xds_url}{xds.TARGETS}", prometheus.targets(running))
            self._scraped = names

    def not_scraped(self) -> str:
        """How many sidecars Prometheus has not scraped twice; "" when there is none."""
        query = f'sum_over_time(up{{job="{prometheus.JOB}"}}[5m]) >= 2'
        answer = self.client.json(f"{self.prometheus_url}/api/v1/query", query=query)
        wanted = sum(replica.spec.sidecar for replica in self.fleet.running)
        lacking = wanted - len(answer["data"]["result"])
        return f"Prometheus has not scraped {lacking} of the sidecars twice" if lacking > 0 else ""

    def scrapes(self, start_s: int, length_s: int) -> dict[str, int]:
        """How often each sidecar was scraped in a window, by pod."""
        query = f'sum_over_time(up{{job="{prometheus.JOB}"}}[{length_s}s])'
        answer = self.client.json(f"{self.prometheus_url}/api/v1/query", query=query, time=str(start_s + length_s))
        return {sample["metric"]["pod"]: int(float(sample["value"][1])) for sample in answer["data"]["result"]}

    def start_load(self) -> None:
        """Let the load generator send."""
        self.client.post(f"{self._load_url}{load.START}")

    def mark(self) -> None:
        """The window begins: the clock of the load's shapes starts."""
        self.client.post(f"{self._load_url}{load.MARK}")

    def stop_load(self) -> dict[str, Any]:
        """Let it stop, and wait for its last answers."""
        return self.client.post(f"{self._load_url}{load.STOP}", timeout_s=self.scenario.load.timeout_s + 5)

    def load_counts(self) -> dict[str, Any]:
        """What the load generator has sent and got so far."""
        return self.client.json(f"{self._load_url}{load.COUNTS}")

    def load_history(self) -> dict[str, Any]:
        """What it saw, second by second, since the window began."""
        return self.client.json(f"{self._load_url}{load.HISTORY}")

    def take_lags(self) -> Lags:
        """Event-loop lag of every Python part since the last call."""
        urls = {**self.fleet.urls(), _LOAD: self._load_url, _XDS: self._xds_url}
        return {name: self.client.post(f"{url}{control.LAG}") for name, url in urls.items()}

    def balance(self) -> Balance:
        """Compare the books of all sidecars with those of the load generator."""
        sent = int(self.load_counts()["sent"])
        target = self.scenario.workload(self.scenario.load.target).service
        return Balance.of(sent, target, self.fleet.books())

    def versions(self) -> dict[str, str]:
        """Versions of Prometheus and Envoy."""
        build = self.client.json(f"{self.prometheus_url}/api/v1/status/buildinfo")
        replica = next(replica for replica in self.fleet.running if replica.spec.sidecar)
        server = self.client.json(f"{admin(replica)}/server_info")
        # Envoy's version is commit/number/state/build/TLS library.
        return {"prometheus": build["data"]["version"], "envoy": server["version"].split("/")[1]}

    def _start_python(self, name: str, module: str, config: object, url: str) -> None:
        start_python(self.processes, self.folder, name, module, config)
        self._starting[name] = f"{url}{control.HEALTH}"
