"""Retries on the ways to every service of a mesh at once: see `meshlab.questions.base`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.core.subject import Subject
from meshlab.display.figures import Figure
from meshlab.questions.base.legacy import Ask
from meshlab.questions.retries import plot
from meshlab.questions.retries.edges import Edges, edges
from meshlab.questions.retries.graph import above
from meshlab.questions.retries.scope import Scope
from meshlab.questions.retries.settings import Policy

__all__ = ["asks", "figures", "policy"]

_CALLED: Final = ("destination_namespace", "destination_service")
_NAMELESS: Final = ""


def policy(given: Mapping[str, object]) -> Policy:
    """The settings.

    Raises
    ------
    ParameterError
        A value is outside its range.
    """
    known = {field.name for field in fields(Policy)}
    return Policy(**{name: value for name, value in given.items() if name in known})  # type: ignore[arg-type]


def asks(evidence: Evidence, given: Mapping[str, object]) -> Iterator[Ask]:
    """All services that were called, each with the edges on the ways to it.

    A storm is a matter of the edges above a service: of those below, the service is a caller, and they are other
    services' ways. Requests are not counted by cluster here, so subjects name none.
    """
    all_edges = edges(evidence)
    places = {name: _places(frame) for name, frame in evidence.frames.items()}
    everything = np.ones(len(all_edges.names), np.bool_)
    for number, (namespace, service) in enumerate(all_edges.services.itertuples(index=False, name=None)):
        if given.get("namespace", "") not in ("", namespace):
            continue
        into = np.flatnonzero(all_edges.callee == number)
        subject = Subject("", str(namespace), str(service))
        if all_edges.table["only_called"].iloc[into].all():
            reason = "no caller of it is in the mesh: nobody tells how often they try"
            yield Ask(subject=subject, evidence=evidence, reason=reason)
            continue
        wanted = _services(all_edges, above(all_edges, into.tolist(), everything))
        yield Ask(
            subject=subject,
            evidence=_part(evidence, places, wanted, subject),
            scope=Scope(service=subject.service, namespace=subject.namespace),
        )


def figures(result: Result, policy: Policy) -> list[Figure]:
    """Load and attempts over time, attempts against load, and the edges."""
    del policy  # its marks are in the tables
    return [plot.timeline(result), plot.hysteresis(result), plot.edges(result)]


def _services(all_edges: Edges, chosen: NDArray[np.bool_]) -> list[tuple[str, str]]:
    """The services on the ways, and what these call: whether a service fails by itself is told by its own calls."""
    ways = np.unique(all_edges.callee[chosen])
    called = all_edges.callee[np.isin(all_edges.caller, ways)]
    rows = all_edges.services.iloc[np.union1d(ways, called)]
    return [(str(space), str(name)) for space, name in rows.itertuples(index=False, name=None)]


def _places(frame: pd.DataFrame) -> dict[Any, NDArray[np.intp]] | None:
    """The rows of each called service; None for a frame that does not tell them apart."""
    # Counts by block have their words in the index (`cube.wide`).
    words = frame.index.to_frame(index=False) if isinstance(frame.index, pd.MultiIndex) else frame
    if not set(_CALLED) <= set(words.columns):
        return None
    found = words.groupby([*_CALLED], observed=True, sort=False).indices
    return {key: np.asarray(rows, np.intp) for key, rows in found.items()}


def _part(
    evidence: Evidence,
    places: Mapping[str, dict[Any, NDArray[np.intp]] | None],
    wanted: list[tuple[str, str]],
    subject: Subject,
) -> Evidence:
    frames = {}
    for name, frame in evidence.frames.items():
        place = places[name]
        if place is None:
            frames[name] = frame
            continue
        # Where no server answered, the host alone tells the service, and the judge finds out which one.
        rows = [found for key, found in place.items() if key in wanted or key[1] == _NAMELESS]
        kept = np.sort(np.concatenate(rows)) if rows else np.empty(0, np.intp)
        frames[name] = frame.iloc[kept]
    return dataclasses.replace(evidence, frames=MappingProxyType(frames), subjects=(subject,))
