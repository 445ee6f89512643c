"""A scenario: which workloads there are, how they behave, what load they get, and what happens to them and when."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from meshlab.errors import ParameterError
from meshlab.lab.specs.events import Event, events
from meshlab.lab.specs.load import Load, load
from meshlab.lab.specs.scaling import Autoscaler, autoscalers
from meshlab.lab.specs.security import Security, security
from meshlab.lab.specs.traffic import Split, Traffic, splits, traffic
from meshlab.lab.specs.workloads import WorkloadSpec, workload_spec
from meshlab.lab.tables import Table, unknown

__all__ = ["Canary", "Scenario", "bundled"]

_FIXED_WORKLOAD: Final = frozenset(
    ("service", "version", "clusters", "service_account", "sidecar", "calls", "own_rate_per_s", "cancels")
)
"""What no event may change: it is the shape of the mesh itself."""


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
    namespace : str
        Of all workloads.
    seed : int
        Seeds the load and every workload, each with a stream of its own.
    duration_s, warm_up_s, scrape_interval_s : float
        Length of the recorded window, of the steady load before it, and of Prometheus's scrape interval.
    clusters : tuple of str
        All clusters; the first is where the load enters.
    workloads : tuple of WorkloadSpec
        In the document's order.
    splits : tuple of Split
        For services whose versions get weights; other services spread evenly.
    traffics : tuple of Traffic
        For services with a policy of their own.
    security : Security
        TLS modes, authorization, certificates.
    autoscalers : tuple of Autoscaler
    load : Load
        The requests from outside.
    events : tuple of Event
        The timeline.
    canary : Canary or None
        Present where one version is on trial.
    document : dict
        The TOML document with all overrides, from which `at` makes the scenario of a moment.
    """

    name: str
    description: str
    namespace: str
    seed: int
    duration_s: float
    warm_up_s: float
    scrape_interval_s: int
    clusters: tuple[str, ...]
    workloads: tuple[WorkloadSpec, ...]
    splits: tuple[Split, ...]
    traffics: tuple[Traffic, ...]
    security: Security
    autoscalers: tuple[Autoscaler, ...]
    load: Load
    events: tuple[Event, ...]
    canary: Canary | None
    document: dict[str, Any] = field(repr=False, compare=False)

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
            except UnicodeDecodeError as error:
                raise ParameterError(f"the scenario {name} is no UTF-8 text", "write it as TOML") from error
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
        document = _document(name, text)
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals or not key.strip():
                raise ParameterError(f"{override!r} is no setting", "write key=value, such as load.rate_per_s=50")
            _set(document, key.strip(), _value(value.strip()))
        scenario = _scenario(name, document)
        for at_s in scenario.moments:
            scenario.at(at_s)
        return scenario

    @property
    def moments(self) -> tuple[float, ...]:
        """When something changes, in seconds from the window's begin, sorted."""
        found = {moment for event in self.events for moment in (event.at_s, event.until_s)}
        return tuple(sorted(moment for moment in found if moment < float("inf")))

    def at(self, at_s: float) -> Scenario:
        """The scenario as it is at a moment, with every event that is then in force.

        Raises
        ------
        ParameterError
            An event sets what does not exist, or what cannot change on a running mesh.
        """
        document = copy.deepcopy(self.document)
        for event in self.events:
            if event.holds(at_s):
                for key, value in event.settings:
                    _set(document, key, copy.deepcopy(value))
        now = _scenario(self.name, document)
        _check_fixed(self, now)
        return now

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

    def traffic(self, service: str) -> Traffic:
        """The policy of a service; the default one if it has none."""
        return next((found for found in self.traffics if found.service == service), Traffic(service))

    def autoscaler(self, workload: str) -> Autoscaler | None:
        """The autoscaler of a workload, if it has one."""
        return next((found for found in self.autoscalers if found.workload == workload), None)


def bundled() -> dict[str, str]:
    """The scenarios that come with meshlab: name -> TOML text, sorted by name."""
    return {name: text for name, text in _shipped().items() if not name.startswith("_")}


def _shipped() -> dict[str, str]:
    """All TOML files; those that begin with an underscore are only extended by others."""
    folder = resources.files("meshlab.lab") / "scenarios"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): entry.read_text("utf-8") for entry in sorted(files, key=lambda e: e.name)}


def _document(name: str, text: str) -> dict[str, Any]:
    """The document, laid over the one that it extends."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"the scenario {name} is no TOML: {error}") from error
    if "extends" not in document:
        return document
    base, shipped = document.pop("extends"), {name.removeprefix("_"): text for name, text in _shipped().items()}
    if not isinstance(base, str) or base not in shipped:
        raise unknown("scenario to extend", str(base), shipped)
    if base == name.removeprefix("_"):
        raise ParameterError(f"the scenario {name} extends itself", "extend another")
    return _laid_over(_document(base, shipped[base]), document)


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in over.items():
        below = both.get(key)
        both[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as a string: quotes inside a shell's quotes are easily lost.
        return text


def _set(document: dict[str, Any], key: str, value: object) -> None:
    """Set one key. A workload has to exist, so that a misspelled one is found; other tables are made."""
    parts = key.split(".")
    if not all(parts):
        raise ParameterError(f"{key!r} is no key", "write it with dots, such as load.rate_per_s")
    table = document
    for depth, part in enumerate(parts[:-1]):
        path = ".".join(parts[: depth + 1])
        if parts[:depth] == ["workloads"] and part not in table:
            raise unknown("workload", part, (k for k in table if isinstance(table[k], dict)))
        if depth == 0 and part not in table and part not in _TABLES:
            raise unknown("table", part, {*_TABLES, *(k for k in table if isinstance(table[k], dict))})
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ParameterError(f"{path} is a value, not a table", f"set {path}=...")
    table[parts[-1]] = value


_TABLES: Final = ("workloads", "split", "traffic", "security", "autoscaler", "load", "canary")


def _scenario(name: str, document: dict[str, Any]) -> Scenario:
    table = Table(document)
    clusters = table.names("clusters") or ("Kubernetes",)
    for cluster in clusters:
        Table({"cluster": cluster}, "clusters").text("cluster")
    workloads = _workloads(table.table("workloads"), clusters)
    scenario = Scenario(
        name=name,
        description=table.text("description"),
        namespace=table.name("namespace", "default"),
        seed=table.integer("seed", 1),
        duration_s=table.number("duration_s", least=1),
        warm_up_s=table.number("warm_up_s", 15),
        scrape_interval_s=table.integer("scrape_interval_s", 5, least=1, most=60),
        clusters=clusters,
        workloads=workloads,
        splits=splits(table.table("split"), workloads),
        traffics=traffic(table.table("traffic"), workloads),
        security=security(table.table("security"), workloads),
        autoscalers=autoscalers(table.table("autoscaler"), workloads),
        load=load(table.table("load"), (spec.name for spec in workloads)),
        events=events(table.tables("event")),
        canary=_canary(table.table("canary")) if table.has("canary") else None,
        document=document,
    )
    table.close()
    _check_calls(scenario)
    _check_canary(scenario)
    return scenario


def _workloads(table: Table, clusters: Sequence[str]) -> tuple[WorkloadSpec, ...]:
    names = table.keys()
    if not names:
        raise ParameterError("the scenario has no workloads", "add [workloads.NAME] with service and version")
    return tuple(workload_spec(name, table.table(name), clusters) for name in names)


def _canary(table: Table) -> Canary:
    canary = Canary(
        service=table.text("service"),
        baseline=table.text("baseline"),
        canary=table.text("canary"),
        alpha=table.number("alpha", 0.02, above=0, most=0.5),
    )
    table.close()
    return canary


def _check_fixed(before: Scenario, now: Scenario) -> None:
    """Refuse an event that would change what a running mesh cannot change."""
    for old, new in zip(before.workloads, now.workloads, strict=True):
        for key in sorted(_FIXED_WORKLOAD):
            if getattr(old, key) != getattr(new, key):
                raise ParameterError(
                    f"an event changes workloads.{old.name}.{key}, and that is fixed for a whole run",
                    "an event may change behaviour, replicas, splits, traffic and security",
                )
    changeable = {"workloads", "splits", "traffics", "security", "document"}
    kept = {name: getattr(before, name) for name in changeable}
    if replace(now, **kept) != before:
        raise ParameterError(
            f"an event of {before.name} changes more than behaviour, replicas, splits, traffic and security",
            "the load changes by load.shape, the rest is fixed for a whole run",
        )
    lifetimes = before.security.certificates, now.security.certificates
    if lifetimes[0] != lifetimes[1]:
        raise ParameterError("an event changes security.certificates", "set rotates of a workload instead")


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
