"""A scenario: which workloads there are, how they behave, and what load they get. TOML in, checked values out."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from meshlab.errors import ParameterError
from meshlab.lab.tables import Table, unknown

__all__ = ["Canary", "Load", "Scenario", "Split", "WorkloadSpec", "bundled"]


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """One workload: who it is, whom it calls, and how it behaves.

    Parameters
    ----------
    name, service, version : str
        The workload (a Deployment's name in Kubernetes), the service that it stands behind, and its version label.
    calls : tuple of str
        Services that it calls for every request, one after the other, before it answers.
    service_time_median_ms, service_time_sigma : float
        Its own log-normal service time, in milliseconds; sigma is that of the logarithm, 0 makes it constant.
    latency_factor : float
        Multiplies every service time: 1.3 is 30 % slower.
    error_share : float
        Share of its own answers that are errors, 0..1.
    error_status : int
        The HTTP status of those errors.
    """

    name: str
    service: str
    version: str
    calls: tuple[str, ...]
    service_time_median_ms: float
    service_time_sigma: float
    latency_factor: float
    error_share: float
    error_status: int


@dataclass(frozen=True, slots=True)
class Split:
    """How callers divide the requests for a service among its versions; the weights are relative."""

    service: str
    weights: tuple[tuple[str, int], ...]

    def share(self, version: str) -> float:
        """The share of requests that a version gets, 0..1."""
        return dict(self.weights)[version] / sum(weight for _, weight in self.weights)


@dataclass(frozen=True, slots=True)
class Load:
    """Open-loop Poisson load on one workload.

    Parameters
    ----------
    target : str
        The workload which gets the requests, from outside the mesh and in plain text.
    rate_per_s : float
        Mean requests a second; they are sent whether or not earlier ones were answered.
    timeout_s : float
        How long the client waits for one answer.
    max_in_flight : int
        A safety cap. Requests above it are not sent, and are counted as shed.
    """

    target: str
    rate_per_s: float
    timeout_s: float
    max_in_flight: int


@dataclass(frozen=True, slots=True)
class Canary:
    """What a judge will compare here; it is used only to compute the statistical power of the run."""

    service: str
    baseline: str
    canary: str
    alpha: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole experiment, as checked values.

    Parameters
    ----------
    name, description : str
        The scenario's name, and one sentence for ``meshlab lab scenarios``.
    seed : int
        Seeds the load and every workload, each with a stream of its own.
    duration_s, warm_up_s, scrape_interval_s : float
        Length of the recorded window, of the steady load before it, and of Prometheus's scrape interval.
    workloads : tuple of WorkloadSpec
        In the document's order.
    splits : tuple of Split
        For services whose versions get weights; other services spread evenly.
    load : Load
        The requests from outside.
    canary : Canary or None
        Present where one version is on trial.
    """

    name: str
    description: str
    namespace: str
    seed: int
    duration_s: float
    warm_up_s: float
    scrape_interval_s: int
    workloads: tuple[WorkloadSpec, ...]
    splits: tuple[Split, ...]
    load: Load
    canary: Canary | None

    @classmethod
    def named(cls, name: str, overrides: Sequence[str] = ()) -> Scenario:
        """Read a scenario by name, or from a TOML file when the name holds a slash.

        Parameters
        ----------
        name : str
            ``canary-regression``, or a path such as ``./mine.toml``.
        overrides : sequence of str
            ``load.rate_per_s=50``: a dotted key and a TOML value; checked exactly as the document.

        Raises
        ------
        ParameterError
            Unknown scenario, key, workload or version, a wrong type, or a value out of range.
        """
        if "/" in name:
            path = Path(name)
            try:
                text = path.read_text(encoding="utf-8")
            except OSError as error:
                raise ParameterError(f"cannot read the scenario {name}: {error.strerror}") from error
            return cls.parse(path.stem, text, overrides)
        found = bundled()
        if name not in found:
            raise unknown("scenario", name, found)
        return cls.parse(name, found[name], overrides)

    @classmethod
    def parse(cls, name: str, text: str, overrides: Sequence[str] = ()) -> Scenario:
        """Read a scenario from TOML text; see `named`."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ParameterError(f"the scenario {name} is no TOML: {error}") from error
        for override in overrides:
            _override(document, override)
        return _scenario(name, Table(document))

    def workload(self, name: str) -> WorkloadSpec:
        """A workload by its name."""
        for spec in self.workloads:
            if spec.name == name:
                return spec
        raise unknown("workload", name, (spec.name for spec in self.workloads))

    def of_service(self, service: str) -> tuple[WorkloadSpec, ...]:
        """The workloads behind a service."""
        return tuple(spec for spec in self.workloads if spec.service == service)

    def split(self, service: str) -> Split | None:
        """The weights of a service's versions, if it has any."""
        return next((split for split in self.splits if split.service == service), None)


def bundled() -> dict[str, str]:
    """The scenarios that come with meshlab: name -> TOML text, sorted by name."""
    folder = resources.files("meshlab.lab") / "scenarios"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): entry.read_text("utf-8") for entry in sorted(files, key=lambda e: e.name)}


def _override(document: dict[str, Any], override: str) -> None:
    """Set one key; tables on the way have to exist, so that a misspelled workload is found."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ParameterError(f"{override!r} is no setting", "write key=value, such as load.rate_per_s=50")
    table = document
    for depth, part in enumerate(parts[:-1]):
        path = ".".join(parts[: depth + 1])
        if part not in table:
            kind = "workload" if parts[:depth] == ["workloads"] else "table"
            raise unknown(kind, part if kind == "workload" else path, (k for k in table if isinstance(table[k], dict)))
        if not isinstance(table[part], dict):
            raise ParameterError(f"{path} is a value, not a table", f"set {path}=...")
        table = table[part]
    try:
        table[parts[-1]] = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as a string: quotes inside a shell's quotes are easily lost.
        table[parts[-1]] = text.strip()


def _scenario(name: str, table: Table) -> Scenario:
    workloads = _workloads(table.table("workloads"))
    load = _load(table.table("load"), workloads)
    scenario = Scenario(
        name=name,
        description=table.text("description"),
        namespace=table.name("namespace", "default"),
        seed=table.integer("seed", 1),
        duration_s=table.number("duration_s", least=1),
        warm_up_s=table.number("warm_up_s", 15),
        scrape_interval_s=table.integer("scrape_interval_s", 5, least=1, most=60),
        workloads=workloads,
        splits=_splits(table.table("split"), workloads),
        load=load,
        canary=_canary(table.table("canary")) if table.has("canary") else None,
    )
    table.close()
    _check_calls(scenario)
    _check_canary(scenario)
    return scenario


def _workloads(table: Table) -> tuple[WorkloadSpec, ...]:
    names = table.keys()
    if not names:
        raise ParameterError("the scenario has no workloads", "add [workloads.NAME] with service and version")
    return tuple(_workload(name, table.table(name)) for name in names)


def _workload(name: str, table: Table) -> WorkloadSpec:
    Table({"name": name}, "workloads").name("name")
    spec = WorkloadSpec(
        name=name,
        service=table.name("service"),
        version=table.name("version"),
        calls=table.names("calls"),
        service_time_median_ms=table.number("service_time_median_ms", 1, most=60_000),
        service_time_sigma=table.number("service_time_sigma", 0, most=3),
        latency_factor=table.number("latency_factor", 1, above=0, most=1_000),
        error_share=table.number("error_share", 0, most=1),
        error_status=table.integer("error_status", 500, least=400, most=599),
    )
    table.close()
    return spec


def _load(table: Table, workloads: tuple[WorkloadSpec, ...]) -> Load:
    load = Load(
        target=table.text("target"),
        rate_per_s=table.number("rate_per_s", above=0, most=5_000),
        timeout_s=table.number("timeout_s", 10, above=0, most=600),
        max_in_flight=table.integer("max_in_flight", 2_000, least=1, most=10_000),
    )
    table.close()
    names = {spec.name for spec in workloads}
    if load.target not in names:
        raise unknown("workload", load.target, names)
    return load


def _splits(table: Table, workloads: tuple[WorkloadSpec, ...]) -> tuple[Split, ...]:
    splits = []
    for service in table.keys():  # noqa: SIM118 - a Table is no mapping
        versions = {spec.version for spec in workloads if spec.service == service}
        if not versions:
            raise unknown("service", service, (spec.service for spec in workloads))
        weights = table.table(service)
        for version in weights.keys():  # noqa: SIM118
            if version not in versions:
                raise unknown(f"version of {service}", version, versions)
        split = Split(service, tuple((v, weights.integer(v, most=1_000_000)) for v in weights.keys()))  # noqa: SIM118
        if not sum(weight for _, weight in split.weights):
            raise ParameterError(f"the weights of split.{service} are all zero", "give at least one version a weight")
        splits.append(split)
    return tuple(splits)


def _canary(table: Table) -> Canary:
    canary = Canary(
        service=table.text("service"),
        baseline=table.text("baseline"),
        canary=table.text("canary"),
        alpha=table.number("alpha", 0.02, above=0, most=0.5),
    )
    table.close()
    return canary


def _check_calls(scenario: Scenario) -> None:
    """Refuse calls to nobody, and loops: a request would never end."""
    services = {spec.service for spec in scenario.workloads}
    calls: dict[str, set[str]] = {service: set() for service in services}
    for spec in scenario.workloads:
        for called in spec.calls:
            if called not in services:
                raise unknown("service", called, services)
        calls[spec.service].update(spec.calls)
    for start in sorted(services):
        reached, todo = set[str](), list(calls[start])
        while todo:
            service = todo.pop()
            if service == start:
                raise ParameterError(f"the calls of {start} lead back to {start}", "a request would never end")
            if service not in reached:
                reached.add(service)
                todo.extend(calls[service])


def _check_canary(scenario: Scenario) -> None:
    canary = scenario.canary
    if canary is None:
        return
    split = scenario.split(canary.service)
    if split is None:
        raise unknown("split", canary.service, (split.service for split in scenario.splits))
    for version in (canary.baseline, canary.canary):
        if version not in dict(split.weights):
            raise unknown(f"version in split.{canary.service}", version, dict(split.weights))
