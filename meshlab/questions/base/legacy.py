"""Questions that do not keep to the contract yet, behind it: this module goes when the last one is ported."""

from __future__ import annotations

import copyreg
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from meshlab.core.evidence import Evidence
from meshlab.core.readiness import Readiness
from meshlab.core.results import Result
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.display.figures import Figure
from meshlab.questions.base.case import Case
from meshlab.questions.base.contract import Question
from meshlab.telemetry.mesh import Mesh

__all__ = ["Ask", "Legacy", "parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One subject of a sweep."""

    subject: Subject
    evidence: Evidence
    scope: Any = None
    reason: str = ""
    lacking: bool = False


def parts(evidence: Evidence, namespace: object = "") -> Iterator[tuple[Subject, Evidence]]:
    """Cut the evidence about all services into one for each, sorted by the services' names."""
    keys = list(IDENTITY)
    own = {name: frame for name, frame in evidence.frames.items() if set(keys) <= set(frame.columns)}
    places: dict[str, dict[Any, Any]] = {
        name: dict(frame.groupby(keys, sort=False).indices) if len(frame) else {} for name, frame in own.items()
    }
    for key in sorted({key for found in places.values() for key in found}):
        cluster, place, service = map(str, key)
        subject = Subject(cluster, place, service)
        if namespace and subject.namespace != namespace:
            continue
        cut = {name: frame.iloc[places[name].get(key, [])].reset_index(drop=True) for name, frame in own.items()}
        frames = MappingProxyType({**evidence.frames, **cut})
        yield subject, dataclasses.replace(evidence, frames=frames, subjects=(subject,))


class Legacy(Question):
    """A module with collect, judge, fleet and ready, as a question."""

    def __init__(self, name: str, module: Any) -> None:
        self.name, self.prefix, self._module = name, "", module  # type: ignore[misc]

    def settings(self, **values: Any) -> Any:
        """The given values: `fleet.policy` checks them."""
        return {"given": values, "policy": self._module.fleet.policy(values)}

    def settings_of_all(self, **values: Any) -> Any:
        """The same."""
        return self.settings(**values)

    def collect(self, mesh: Mesh, window: Window, settings: Any = None) -> Evidence:
        """Of all subjects."""
        evidence: Evidence = self._module.collect(mesh, window, self._scope(settings), policy=settings["policy"])
        return evidence

    def _scope(self, settings: Mapping[str, Any]) -> Any:
        given = settings["given"]
        if not given.get("service"):
            return None
        known = {field.name for field in fields(self._module.Scope)}
        return self._module.Scope(**{name: value for name, value in given.items() if name in known})

    def cases(self, evidence: Evidence, settings: Any) -> Iterator[Case]:
        """As `fleet.asks` says."""
        for ask in self._module.fleet.asks(evidence, settings["given"]):
            unjudged = "" if ask.scope is not None else ask.reason
            chosen = {**settings, "scope": ask.scope}
            yield self.case(ask.evidence, chosen, subject=ask.subject, unjudged=unjudged, due=ask.lacking)

    def result(self, case: Case) -> Result:
        """As `judge` says."""
        more = {} if self.name == "retries" else {"subject": case.subject}
        result: Result = self._module.judge(
            case.evidence, case.settings["scope"], policy=case.settings["policy"], **more
        )
        return result

    def draw(self, result: Result, settings: Any = None) -> list[Figure]:
        """As `fleet.figures` says."""
        figures: list[Figure] = self._module.fleet.figures(result, settings["policy"])
        return figures

    def suggest(self, mesh: Mesh, window: Window) -> Readiness:
        """As `ready` says."""
        readiness: Readiness = self._module.ready(mesh, window)
        return readiness


def _frozen(items: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(items)


def _reduced(mapping: Any) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _frozen, (dict(mapping),)


# Evidence and policies hold mappings that nobody changes, which Python by itself does not carry to another process.
copyreg.pickle(MappingProxyType, _reduced)
