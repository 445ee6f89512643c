"""The parts of a lab: how each is started, and what each can be asked."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from meshlab.lab import binaries, control, load, prometheus
from meshlab.lab.addresses import ADMIN_PORT, APP_PORT, INBOUND_PORT, AddressBlock
from meshlab.lab.balance import Balance, counts
from meshlab.lab.certificates import Authority
from meshlab.lab.client import Client
from meshlab.lab.envoy import bootstrap
from meshlab.lab.load import LoadPlan
from meshlab.lab.processes import Processes
from meshlab.lab.scenario import Scenario
from meshlab.lab.telemetry import ENVIRONMENT
from meshlab.lab.topology import TRUST_DOMAIN, Topology, Workload
from meshlab.lab.workload import Behaviour

__all__ = ["Lags", "Parts"]

Lags = dict[str, dict[str, float]]
"""By part: ``p99_ms``, ``max_ms`` and ``samples``, as `meshlab.lab.lag.LagMeter.take` gives them."""

_LOAD: Final = "load"
_PROMETHEUS: Final = "prometheus"


class Parts:
    """Prometheus, the load generator, and a service and a sidecar for every workload.

    Parameters
    ----------
    scenario : Scenario
        What to build.
    seed : int
        Seeds the load and every service.
    folder : Path
        For configurations, certificates, logs and Prometheus's data.
    block : AddressBlock
        Where they listen.
    processes : Processes
        Where they are started.
    client : Client
        How they are asked.
    """

    def __init__(
        self, scenario: Scenario, seed: int, folder: Path, block: AddressBlock, processes: Processes, client: Client
    ) -> None:
        self.topology = Topology.place(scenario, block)
        host, port = block.prometheus
        self.prometheus_url = f"http://{host}:{port}"
        self._scenario = scenario
        self._seed = seed
        self._folder = folder
        self._block = block
        self._processes = processes
        self._client = client
        self._starting: dict[str, str] = {}

    def start(self) -> None:
        """Start them all, and wait for none."""
        envoy = binaries.envoy()
        # First of all: Prometheus takes its first look at its targets only some seconds after its start.
        self._start_prometheus()
        self._start_load()
        authority = Authority(TRUST_DOMAIN, datetime.now(UTC))
        for workload in self.topology.workloads:
            self._start_service(workload)
            self._start_sidecar(workload, envoy, authority)

    def not_ready(self) -> str:
        """Which parts are not up yet; "" when all are."""
        for name in [name for name, url in self._starting.items() if self._client.ready(url)]:
            del self._starting[name]
        return f"not ready: {', '.join(sorted(self._starting))}" if self._starting else ""

    def not_scraped(self) -> str:
        """How many sidecars Prometheus has not scraped twice; "" when there is none."""
        query = f'sum_over_time(up{{job="{prometheus.JOB}"}}[5m]) >= 2'
        answer = self._client.json(f"{self.prometheus_url}/api/v1/query", query=query)
        lacking = len(self.topology.workloads) - len(answer["data"]["result"])
        return f"Prometheus has not scraped {lacking} of the sidecars twice" if lacking else ""

    def start_load(self) -> None:
        """Let the load generator send."""
        self._client.post(self._load_url(load.START))

    def stop_load(self) -> dict[str, Any]:
        """Let it stop, and wait for its last answers."""
        return self._client.post(self._load_url(load.STOP), timeout_s=self._scenario.load.timeout_s + 5)

    def load_counts(self) -> dict[str, Any]:
        """What the load generator has sent and got so far."""
        return self._client.json(self._load_url(load.COUNTS))

    def take_lags(self) -> Lags:
        """Event-loop lag of every Python part since the last call."""
        urls = {workload.name: f"http://{workload.address}:{APP_PORT}" for workload in self.topology.workloads}
        urls[_LOAD] = self._load_url("")
        return {name: self._client.post(f"{url}{control.LAG}") for name, url in urls.items()}

    def balance(self) -> Balance:
        """Compare the books of all sidecars with those of the load generator."""
        sent = int(self.load_counts()["sent"])
        texts = (
            self._client.text(f"{_admin(workload)}/stats/prometheus?filter=istio_requests_total")
            for workload in self.topology.workloads
        )
        return Balance.of(sent, self._scenario.load.target, [count for text in texts for count in counts(text)])

    def versions(self) -> dict[str, str]:
        """Versions of Prometheus and Envoy."""
        build = self._client.json(f"{self.prometheus_url}/api/v1/status/buildinfo")
        server = self._client.json(f"{_admin(self.topology.workloads[0])}/server_info")
        # Envoy's version is commit/number/state/build/TLS library.
        return {"prometheus": build["data"]["version"], "envoy": server["version"].split("/")[1]}

    def _start_prometheus(self) -> None:
        config = prometheus.configuration(self.topology, self._scenario.scrape_interval_s)
        command = prometheus.command(binaries.prometheus(), self._folder, config, self._block.prometheus)
        self._processes.start(_PROMETHEUS, command, {})
        self._starting[_PROMETHEUS] = f"{self.prometheus_url}/-/ready"

    def _start_load(self) -> None:
        wanted = self._scenario.load
        target = self.topology.workload(wanted.target)
        plan = LoadPlan(
            address=self._block.load,
            url=f"http://{target.address}:{INBOUND_PORT}/",
            host=target.host,
            stream=f"{self._seed}/load",
            rate_per_s=wanted.rate_per_s,
            timeout_s=wanted.timeout_s,
            max_in_flight=wanted.max_in_flight,
        )
        self._start_python(_LOAD, "meshlab.lab.load", plan.to_json(), self._block.load)

    def _start_service(self, workload: Workload) -> None:
        behaviour = Behaviour.of(workload, self._seed)
        self._start_python(workload.name, "meshlab.lab.workload", behaviour.to_json(), workload.address)

    def _start_python(self, name: str, module: str, config: str, address: str) -> None:
        path = self._folder / f"{name}.json"
        path.write_text(config, encoding="utf-8")
        # The child has to find this very meshlab, wherever it was imported from.
        environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
        self._processes.start(name, [sys.executable, "-P", "-m", module, str(path)], environment)
        self._starting[name] = f"http://{address}:{APP_PORT}{control.HEALTH}"

    def _start_sidecar(self, workload: Workload, envoy: str, authority: Authority) -> None:
        name = f"{workload.name}-envoy"
        certificates = self._folder / "certificates" / workload.name
        authority.issue(workload.principal).write(certificates)
        config = self._folder / f"{name}.json"
        config.write_text(json.dumps(bootstrap(self.topology, workload, str(certificates))), encoding="utf-8")
        options = ["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1", "--log-level", "warning"]
        self._processes.start(name, [envoy, "-c", str(config), *options], ENVIRONMENT)
        self._starting[name] = f"{_admin(workload)}/ready"

    def _load_url(self, path: str) -> str:
        return f"http://{self._block.load}:{APP_PORT}{path}"


def _admin(workload: Workload) -> str:
    return f"http://{workload.address}:{ADMIN_PORT}"
