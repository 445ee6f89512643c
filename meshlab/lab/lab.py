"""A running lab: started as a whole, driven, recorded, and gone as a whole."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from meshlab.errors import LabError
from meshlab.lab.addresses import CADVISOR_PORT, KUBE_STATE_PORT, AddressBlock
from meshlab.lab.autoscaling import Scaler
from meshlab.lab.balance import Balance
from meshlab.lab.client import Client
from meshlab.lab.fleet import sidecar_words
from meshlab.lab.kube import Cadvisor, KubeState, ScalerStatus, serving
from meshlab.lab.lag import LAG_LIMIT_MS, Lags, late_parts, refuse_lag, worse
from meshlab.lab.parts import Parts
from meshlab.lab.processes import Processes
from meshlab.lab.scenario import Scenario
from meshlab.lab.timeline import Change, Timeline
from meshlab.lab.topology import Topology, places
from meshlab.lab.truth import scenario_truth
from meshlab.lab.waiting import Waiter, Watch
from meshlab.lab.workspace import check_target, disk_errors, workspace

__all__ = ["SELECTORS", "Lab", "Run"]

SELECTORS: Final = ('{__name__=~"istio_.*"}', '{__name__=~"envoy_.*"}', '{__name__=~"kube_.*|container_.*"}', "up")
"""What a lab's recording holds."""

_START_LIMIT_S: Final = 60.0
_TAIL_SCRAPES: Final = 2
_LAST_STREAMS_S: Final = 1.5
_LAG_EVERY_S: Final = 10.0
_MISSED_SCRAPES: Final = 2
_LATE_S: Final = 0.2
"""An event loop later than this distorts what is measured: such moments are marked."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run."""

    start_s: int
    end_s: int
    """The window, in unix seconds."""
    truth: Mapping[str, Any]
    """What the lab set and what it measured of itself; the same that a recording holds."""
    recording: Path | None
    """Where the recording stands, if one was wanted."""


class Lab:
    """A service mesh on this machine, for as long as the ``with`` block lasts.

    Parameters
    ----------
    scenario : Scenario
        What to build.
    seed : int, optional
        Replaces the scenario's seed.
    watch : callable, optional
        Told what the lab is waiting for; see `meshlab.lab.waiting.Watch`.

    Raises
    ------
    LabError
        On entering: a program is missing, addresses are taken, or a part does not come up. In the block: a part ended.

    Notes
    -----
    Enter the block in the main thread: the children are tied to the thread that starts them. Two labs can run side by
    side. Everything stays on loopback addresses 127.71.N.x.

    Examples
    --------
    >>> with Lab(Scenario.named("canary-healthy")) as lab:  # doctest: +SKIP
    ...     run = lab.run(duration_s=60, record=Path("out/healthy"))
    """

    def __init__(self, scenario: Scenario, *, seed: int | None = None, watch: Watch | None = None) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        self._watch = watch
        self._stack = contextlib.ExitStack()
        self._calm: Lags = {}
        self._memory_mb: dict[str, float] = {}
        self._timeline: Timeline | None = None
        self._changes: list[Change] = []
        self._late: list[dict[str, Any]] = []
        self._scalers: tuple[Scaler, ...] = ()
        self._shown: tuple[float, int, int, int, str] = (0.0, 0, 0, 0, "")

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            raise LabError("the lab needs Linux", "it uses loopback addresses and process control that others lack")
        try:
            with disk_errors():
                self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def prometheus_url(self) -> str:
        """Where the lab's Prometheus answers."""
        return self._parts.prometheus_url

    @property
    def topology(self) -> Topology:
        """The workloads with their addresses."""
        return self._parts.topology

    @property
    def process_ids(self) -> dict[str, int]:
        """Process ids of all parts, by name."""
        return self._processes.ids

    def check(self) -> None:
        """Let the lab do what is due: events, replicas that come and go, certificates. To be called again and again.

        Raises
        ------
        LabError
            A part of the lab has ended, or a sidecar refuses its configuration.
        """
        self._processes.check()
        now_s = time.time()
        fleet = self._parts.fleet
        if self._timeline is not None:
            while (moment_s := self._timeline.due(now_s)) is not None:
                fleet.reach(self.scenario.at(moment_s), now_s)
                applied = Change(moment_s, self._timeline.what(moment_s), now_s, math.inf)
                self._changes.append(applied)
            for scaler in self._scalers:
                scaler.tick(now_s)
        fleet.tick(now_s)
        self._parts.tell_prometheus()
        if any(change.settled_s == math.inf for change in self._changes) and not self.pending():
            settled = time.time()
            self._changes = [c if c.settled_s < math.inf else replace(c, settled_s=settled) for c in self._changes]

    def pending(self) -> str:
        """Which sidecars have not taken the newest configuration yet; "" when all have."""
        fleet = self._parts.fleet
        return self._parts.control_plane.pending(sidecar_words(self._processes, fleet.running))

    def reach(self, scenario: Scenario) -> None:
        """Change the running mesh to its scenario is at another moment, and wait until every sidecar has it."""
        self._parts.fleet.reach(scenario, time.time())
        self._waiter.until("changing the mesh", self.pending, limit_s=_START_LIMIT_S)

    def begin(self) -> float:
        """The window begins now: the clocks of the events and of the load's shapes start. Unix seconds."""
        start_s = time.time()
        self._parts.mark()
        self._timeline = Timeline(self.scenario, start_s)
        self._scalers = tuple(
            Scaler(spec, self.scenario.workload(spec.workload).clusters[0], self._parts.fleet, self._processes.cpu_s)
            for spec in self.scenario.autoscalers.values()
        )
        return start_s

    def headline(self) -> str:
        """One line on how the mesh does: requests a second, the share that fails, and what is in force."""
        now_s = time.monotonic()
        if now_s - self._shown[0] >= 1:
            counts = self._parts.load_counts()
            answered = sum(counts["answered"].values())
            good = sum(n for status, n in counts["answered"].items() if status < "4")
            before_s, sent_then, answered_then, good_then, _ = self._shown
            failed = 1 - (good - good_then) / (answered - answered_then) if answered > answered_then else 0.0
            rate = (counts["sent"] - sent_then) / (now_s - before_s)
            events = self._timeline.now(time.time()) if self._timeline is not None else ()
            text = "; ".join((f"{rate:4.0f} requests/s, {failed:4.0%} fail", *events))
            self._shown = (now_s, counts["sent"], answered, good, text)
        return self._shown[4]

    def start_load(self) -> None:
        """Start the load; it goes on until `stop_load` or the end of the block."""
        self._parts.start_load()

    def load_counts(self) -> dict[str, Any]:
        """What the load has sent and got so far."""
        return self._parts.load_counts()

    def stop_load(self) -> dict[str, Any]:
        """Stop the load and wait until its last request was answered, or timed out.

        Returns
        -------
        dict
            Requests ``sent``, ``shed``, ``in_flight`` (0) and ``answered`` by status, over the lab's life.
        """
        return self._parts.stop_load()

    def balance(self) -> Balance:
        """Compare what the load sent with what the sidecars counted; exact only after `stop_load`."""
        # A sidecar counts a request when its stream has ended, a moment after the client has its answer.
        self._waiter.wait("closing the books", _LAST_STREAMS_S)
        return self._parts.balance()

    def run(
        self, *, duration_s: float | None = None, record: Path | None = None, command: str = "", force: bool = False
    ) -> Run:
        """Do the experiment: load, warm-up, the window, two more scrapes, the books, the recording.

        Parameters
        ----------
        duration_s : float, optional
            Length of the window; the scenario's when not given. Rounded up to whole scrape intervals.
        record : Path, optional
            Folder for the recording; a recording that stands there is replaced.
        command : str
            The command that led here, for the recording.
        force : bool
            Go on although the machine does not keep up; the recording is marked.

        Returns
        -------
        Run
            The window and the truth.

        Raises
        ------
        LabError
            A part ended, or event loops lag by more than 50 ms in calm and `force` is not set.
        ParameterError
            `record` holds something else than a recording, or cannot be written.
        """
        if record is not None:
            check_target(record)
        scrape_s = self.scenario.scrape_interval_s
        length_s = math.ceil((self.scenario.duration_s if duration_s is None else duration_s) / scrape_s) * scrape_s
        refuse_lag("before the load", self._calm, force)
        self._parts.take_lags()
        self.start_load()
        self._waiter.wait("warming up", self.scenario.warm_up_s)
        warm_up = self._parts.take_lags()
        refuse_lag("under the load", warm_up, force)
        # On the grid of the scrape interval, where a Window begins.
        start_s = math.ceil(time.time() / scrape_s) * scrape_s
        self._waiter.wait("waiting for the window to begin", start_s - time.time())
        began_s = self.begin()
        sent_before, cpu_before = self._parts.load_counts(), self._processes.cpu_s()
        in_window = self._watched_window(start_s, length_s)
        sent_after, cpu_after = self._parts.load_counts(), self._processes.cpu_s()
        history = self._parts.load_history()
        self._waiter.wait("waiting for the last scrapes", _TAIL_SCRAPES * scrape_s)
        total = self.stop_load()
        self._parts.fleet.rest()
        # A replica may go and come back under its name: only its age shows whether it was there all the time.
        living = self._parts.fleet.pods.living()
        throughout = {pod.name for pod in living if pod.created_s < start_s and pod.deleted_s is None}
        scrapes = self._scrapes(throughout, start_s, length_s, force)
        truth = scenario_truth(self.scenario, self.seed, length_s)
        truth |= {
            "window": {"start_s": start_s, "end_s": start_s + length_s, "began_s": round(began_s, 3)},
            "scrapes": scrapes,
            "changes": [change.to_dict(start_s) for change in self._changes],
            "counts": {"window": _difference(sent_after, sent_before), "life": total},
            "load_by_second": history,
            "workers": self._parts.fleet.counts(),
            "autoscalers": {
                workload: [tick.to_dict(start_s) for tick in scaler.ticks]
                for workload, scaler in zip(self.scenario.autoscalers, self._scalers, strict=True)
            },
            "event_loop_lag_ms": {
                "limit_p99": LAG_LIMIT_MS,
                "max": max(lag["max_ms"] for lag in in_window.values()),
                "forced": force and bool(late_parts(self._calm) or late_parts(warm_up)),
                "calm": self._calm,
                "warm_up": warm_up,
                "window": in_window,
                "late": self._late,
            },
            "cores_used": {
                name: round((cpu_after[name] - cpu_before.get(name, 0.0)) / length_s, 4) for name in sorted(cpu_after)
            },
            "memory_mb": {"idle": self._memory_mb, "sum": round(sum(self._memory_mb.values()), 1)},
            "balance": self.balance().to_dict(),
            "versions": self._parts.versions(),
        }
        recording = self._record(start_s, start_s + length_s, record, command, truth) if record is not None else None
        return Run(start_s, start_s + length_s, truth, recording)

    def _start(self) -> None:
        folder = self._stack.enter_context(workspace(self.scenario.name))
        block = AddressBlock.reserve(len(places(self.scenario)))
        self._stack.callback(block.close)
        client = Client()
        self._stack.callback(client.close)
        self._processes = Processes(folder)
        self._stack.callback(self._processes.stop)
        self._parts = Parts(self.scenario, self.seed, folder, block, self._processes, client, time.time())
        pods = self._parts.fleet.pods
        self._stack.enter_context(serving(KubeState(pods, self._scaler_states), block.kube, KUBE_STATE_PORT))
        self._stack.enter_context(serving(Cadvisor(pods), block.kube, CADVISOR_PORT))
        starting = Waiter(self._processes.check, self._watch)
        self._waiter = Waiter(self.check, self._watch)
        self._parts.start()
        starting.until("starting the parts", self._parts.not_ready, limit_s=_START_LIMIT_S)
        self._parts.fleet.match_replicas(time.time())
        for what, missing in (
            ("starting the services and their sidecars", self._parts.fleet.not_ready),
            ("configuring the sidecars", self.pending),
        ):
            self._waiter.until(what, missing, limit_s=_START_LIMIT_S)
        # Two scrapes take some seconds in which nothing happens: the time to see how calm this machine is.
        self._parts.take_lags()
        limit_s = _START_LIMIT_S + 3 * self.scenario.scrape_interval_s
        self._waiter.until("waiting for two scrapes of every sidecar", self._parts.not_scraped, limit_s=limit_s)
        self._memory_mb = self._processes.memory_mb()
        self._calm = self._parts.take_lags()

    def _scrapes(self, pods: Collection[str], start_s: int, length_s: int, force: bool) -> dict[str, int]:
        """How often the sidecars that were there all the time were scraped; Prometheus may have lost some."""
        expected = length_s // self.scenario.scrape_interval_s
        scrapes = self._parts.scrapes(start_s, length_s)
        inside = {replica.pod for replica in self._parts.fleet.running if replica.spec.sidecar}
        fewest = min((scrapes.get(pod, 0) for pod in pods if pod in inside), default=0)
        if fewest < expected - _MISSED_SCRAPES and not force:
            raise LabError(
                f"Prometheus scraped a sidecar {fewest} times in the window, and not {expected} times:"
                " the recording would have holes",
                "look whether the disk is full or the machine is busy, or go on all the same with --force",
            )
        return {"expected": expected, "fewest": fewest}

    def _scaler_states(self) -> list[ScalerStatus]:
        return [state for state in (scaler.status() for scaler in self._scalers) if state is not None]

    def _watched_window(self, start_s: float, length_s: float) -> Lags:
        """Let the window pass; every ten seconds the event loops are asked how late they were."""
        worst: Lags = {}
        while (left_s := start_s + length_s - time.time()) > 0:
            begin_s = time.time()
            passed_s = length_s - left_s
            self._waiter.wait(self.headline, min(_LAG_EVERY_S, left_s), done_s=passed_s, total_s=length_s)
            lags = self._parts.take_lags()
            late = {name: lag["max_ms"] for name, lag in lags.items() if lag["max_ms"] > 1000 * _LATE_S}
            if late:
                span = [round(begin_s - start_s, 1), round(time.time() - start_s, 1)]
                self._late.append({"from_s": span[0], "to_s": span[1], "max_ms": late})
            for name, lag in lags.items():
                worst[name] = worse(worst.get(name), lag)
        return worst

    def _record(self, start_s: int, end_s: int, out: Path, command: str, truth: Mapping[str, Any]) -> Path:
        from meshlab.core.window import Window
        from meshlab.engines.http import PrometheusEngine
        from meshlab.recordings.recorder import record

        self._waiter.show("writing the recording")
        with disk_errors():
            engine = PrometheusEngine(self.prometheus_url)
            window = Window.parse(str(start_s), str(end_s), f"{self.scenario.scrape_interval_s}s", now=engine.now())
            return record(engine, SELECTORS, window, out, what=self.scenario.description, command=command, truth=truth)


def _difference(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the load generator sent and got between two readings."""
    answered = {
        status: count - before["answered"].get(status, 0)
        for status, count in after["answered"].items()
        if count > before["answered"].get(status, 0)
    }
    return {"sent": after["sent"] - before["sent"], "shed": after["shed"] - before["shed"], "answered": answered}
