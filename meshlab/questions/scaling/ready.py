"""Whether a service's scaling can be looked at in a store."""

from __future__ import annotations

from types import MappingProxyType

from meshlab.core.evidence import Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.telemetry.kubernetes import Autoscalers, Exporter
from meshlab.telemetry.mesh import Mesh

__all__ = ["ready"]


def ready(mesh: Mesh, window: Window) -> Readiness:
    """Look for a busy service with durations, one that an autoscaler scales before others: four small questions or so.

    Parameters
    ----------
    mesh : Mesh
    window : Window
        The last minutes.
    """
    table = mesh.services(window).frame
    if table.empty:
        return Readiness(State.LACKING, "no requests were counted", (Missing("requests", mesh.remedy("destination")),))
    told = Autoscalers(Exporter(mesh)).scaled(window).frame
    scaled = set(zip(told["namespace"], told["workload"], strict=True))
    places = list(zip(table["destination_namespace"], table["destination_workload"], strict=True))
    at = next((k for k, place in enumerate(places) if place in scaled), 0)
    subject = Subject(*table.iloc[at][list(IDENTITY)])
    if not mesh.has_durations(window, subject):
        return Readiness(
            State.LACKING,
            f"the requests of {plain(subject)} have no durations",
            (Missing("request durations", mesh.remedy("latency")),),
        )
    parameters = MappingProxyType(
        {"service": subject.service, **({"namespace": subject.namespace} if subject.namespace else {})}
    )
    if places[at] in scaled:
        return Readiness(State.READY, f"{plain(subject)} has an autoscaler", parameters=parameters)
    missing = (
        ()
        if len(told)
        else (Missing("autoscalers and replicas", "install kube-state-metrics and let Prometheus scrape it"),)
    )
    return Readiness(
        State.READY, f"{plain(subject)} can be measured; no autoscaler of it is seen", missing, parameters=parameters
    )
