"""A scenario: which workloads there are, how they behave, what load they get, and what happens to them and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field
from msgspec.structs import replace

from meshlab.core.declarations import INTERNAL
from meshlab.core.settings import Settings, convert, named
from meshlab.core.suggest import unknown
from meshlab.errors import ParameterError
from meshlab.lab import documents
from meshlab.lab.specs.events import Event
from meshlab.lab.specs.kinds import Name, Text
from meshlab.lab.specs.load import Load
from meshlab.lab.specs.scaling import Autoscaler
from meshlab.lab.specs.security import Security
from meshlab.lab.specs.traffic import Traffic
from meshlab.lab.specs.workloads import WorkloadSpec

__all__ = ["Canary", "Scenario"]

_FIXED: Final = ("service", "version", "clusters", "service_account", "sidecar", "calls", "own_rate_per_s", "cancels")
"""What no event may change of a workload: it is the shape of the mesh itself."""
_OF_A_RUN: Final = ("name", "document")

Weights = dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]]


class Canary(Settings, kw_only=True):
    """What a judge will compare here; it is used only to compute the statistical power of the run."""

    service: Text
    baseline: Text
    canary: Text
    alpha: Annotated[float, Meta(gt=0, le=0.5)] = 0.02


class Scenario(Settings, kw_only=True):
    """A whole experiment, as checked values."""

    name: Annotated[str, INTERNAL]
    description: Annotated[str, Meta(description="One sentence for `meshlab lab scenarios`.")]
    namespace: Annotated[Name, Meta(description="Of all workloads.")] = "default"
    seed: Annotated[
        int, Meta(ge=0, description="Seeds the load and every workload, each with a stream of its own.")
    ] = 1
    duration_s: Annotated[float, Meta(ge=1, description="Length of the recorded window.")]
    warm_up_s: Annotated[float, Meta(ge=0, description="Length of the steady load before it.")] = 15.0
    scrape_interval_s: Annotated[int, Meta(ge=1, le=60, description="Prometheus's.")] = 5
    clusters: Annotated[
        tuple[Text, ...], Meta(min_length=1, description="All clusters; the load enters at the first.")
    ] = ("Kubernetes",)
    workloads: Annotated[dict[Name, WorkloadSpec], Meta(description="By name, in the document's order.")] = field(
        default_factory=dict
    )
    splits: Annotated[
        dict[str, Weights],
        Meta(description="Weights of a service's versions, by service; other services spread evenly."),
    ] = field(name="split", default_factory=dict)
    traffics: Annotated[dict[str, Traffic], Meta(description="Services with a policy of their own.")] = field(
        name="traffic", default_factory=dict
    )
    security: Annotated[Security, Meta(description="TLS modes, authorization, certificates.")] = Security()
    autoscalers: Annotated[dict[str, Autoscaler], Meta(description="By workload.")] = field(
        name="autoscaler", default_factory=dict
    )
    load: Annotated[Load, Meta(description="The requests from outside.")]
    events: Annotated[tuple[Event, ...], Meta(description="The timeline.")] = field(name="event", default=())
    canary: Annotated[Canary | None, Meta(description="Present where one version is on trial.")] = None
    document: Annotated[dict[str, Any], INTERNAL]
    """What `at` makes the scenario of a moment from."""

    def __post_init__(self) -> None:
        if not self.workloads:
            raise ParameterError("the scenario has no workloads", "add [workloads.NAME] with service and version")
        workloads = {
            name: spec if spec.clusters else replace(spec, clusters=self.clusters[:1])
            for name, spec in named(self.workloads).items()
        }
        for name, value in (
            ("workloads", workloads),
            ("autoscalers", named(self.autoscalers, "workload")),
            ("events", tuple(sorted(self.events, key=lambda event: event.at_s))),
        ):
            msgspec.structs.force_setattr(self, name, value)
        _check_names(self)
        _check_loops(self)

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
        return cls.parse(*documents.read(name), overrides)

    @classmethod
    def parse(cls, name: str, text: str, overrides: Sequence[str] = ()) -> Scenario:
        """Read a scenario from TOML text; see `named`."""
        scenario = cls._of_document(name, documents.overridden(documents.parse(name, text), overrides))
        for at_s in scenario.moments:
            scenario.at(at_s)
        return scenario

    @classmethod
    def _of_document(cls, name: str, document: documents.Document) -> Scenario:
        for key in _OF_A_RUN:
            if key in document:
                raise ParameterError(f"there is no setting {key!r}", "leave it out")
        return convert(cls, {**document, "name": name, "document": document})

    @property
    def moments(self) -> tuple[float, ...]:
        """When something changes, in seconds from the window's begin, sorted."""
        moments = {moment for event in self.events for moment in (event.at_s, event.until_s)}
        return tuple(sorted(moment for moment in moments if moment < float("inf")))

    def at(self, at_s: float) -> Scenario:
        """The scenario as it is at a moment, with every event that is then in force.

        Raises
        ------
        ParameterError
            An event sets what does not exist, or what cannot change on a running mesh.
        """
        settings = [item for event in self.events if event.holds(at_s) for item in event.settings.items()]
        now = self._of_document(self.name, documents.changed(self.document, settings))
        _check_fixed(self, now)
        return now

    def workload(self, name: str) -> WorkloadSpec:
        """A workload by its name."""
        if name not in self.workloads:
            raise unknown("workload", name, self.workloads)
        return self.workloads[name]

    def share(self, service: str, version: str) -> float:
        """The share of a service's requests that a version gets, 0..1; it has to have a split."""
        weights = self.splits[service]
        return weights[version] / sum(weights.values())

    def traffic(self, service: str) -> Traffic:
        """The policy of a service; the default one if it has none."""
        return self.traffics.get(service, Traffic())


def _check_fixed(before: Scenario, now: Scenario) -> None:
    """Refuse an event that would change what a running mesh cannot change."""
    for old, new in zip(before.workloads.values(), now.workloads.values(), strict=True):
        for key in sorted(_FIXED):
            if getattr(old, key) != getattr(new, key):
                raise ParameterError(
                    f"an event changes workloads.{old.name}.{key}, and that is fixed for a whole run",
                    "an event may change behaviour, replicas, splits, traffic and security",
                )
    changeable = ("workloads", "splits", "traffics", "security", "document")
    if replace(now, **{name: getattr(before, name) for name in changeable}) != before:
        raise ParameterError(
            f"an event of {before.name} changes more than behaviour, replicas, splits, traffic and security",
            "the load changes by load.shape, the rest is fixed for a whole run",
        )
    if before.security.certificates != now.security.certificates:
        raise ParameterError("an event changes security.certificates", "set rotates of a workload instead")


def _check_names(scenario: Scenario) -> None:
    """Refuse names of what the scenario does not have."""
    specs = scenario.workloads
    versions: dict[str, dict[str, None]] = {}
    for spec in specs.values():
        versions.setdefault(spec.service, {})[spec.version] = None
        _check("cluster", (*spec.clusters, *spec.down_in), scenario.clusters)
    for spec in specs.values():
        _check("service", spec.calls, versions)
    _check("workload", (*scenario.autoscalers, scenario.load.target), specs)
    _check("service", (*scenario.splits, *scenario.traffics), versions)
    for service, weights in scenario.splits.items():
        _check(f"version of {service}", weights, versions[service])
        if not sum(weights.values()):
            raise ParameterError(f"the weights of split.{service} are all zero", "give at least one version a weight")
    for service, traffic in scenario.traffics.items():
        _check(f"version of {service}", filter(None, [traffic.mirror.version]), versions[service])
        callers = [spec.name for spec in specs.values() if service in spec.calls and spec.sidecar]
        _check(f"caller of {service} with a sidecar", traffic.plaintext_from, callers)
    security, accounts = scenario.security, {spec.service_account for spec in specs.values()}
    inside = [spec.name for spec in specs.values() if spec.sidecar]
    _check("workload with a sidecar", (*security.modes, *security.authorizations), inside)
    for rules in security.authorizations.values():
        for rule in (*(rules.allow or ()), *(rules.shadow or ())):
            _check("service account", rule.accounts, accounts)
    if scenario.canary is not None:
        service = scenario.canary.service
        _check("split", [service], scenario.splits)
        _check(
            f"version in split.{service}",
            (scenario.canary.baseline, scenario.canary.canary),
            scenario.splits[service],
        )


def _check(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)


def _check_loops(scenario: Scenario) -> None:
    """Refuse calls that lead back: a request would never end."""
    calls: dict[str, set[str]] = {}
    for spec in scenario.workloads.values():
        calls.setdefault(spec.service, set()).update(spec.calls)
    for start in sorted(calls):
        reached, todo = set[str](), list(calls[start])
        while todo:
            service = todo.pop()
            if service == start:
                raise ParameterError(f"the calls of {start} lead back to {start}", "a request would never end")
            if service not in reached:
                reached.add(service)
                todo.extend(calls[service])
