"""What the scaling question asks the mesh and Kubernetes' exporters: once, for every service in scope."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence, Missing
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.questions.scaling.samples import seconds
from meshlab.questions.scaling.scope import Scope
from meshlab.questions.scaling.settings import Policy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.kubernetes import Autoscalers, Exporter, Workloads
from meshlab.telemetry.mesh import Answer, Mesh
from meshlab.telemetry.signals import gauges

__all__ = ["COPY", "collect"]

COPY: Final = (*IDENTITY, "destination_workload", "destination_version", "destination_instance")
"""The words that tell one copy of a service from another."""

_LEAST_BLOCK_S: Final = 10
_MOST_BLOCK_S: Final = 60


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask for requests, how long they took, replicas, autoscalers, pods and processor time.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    scope : Scope, optional
        Asks for one service only; None for all.
    policy : Policy, optional
        Sets the length of the blocks, and whether durations are asked for by bucket.

    Returns
    -------
    Evidence
        Required: ``counts`` (`Mesh.request_counts` by the words of `COPY`, code and flags) and ``durations``
        (`Mesh.durations`, by the same). Optional: ``buckets`` (`Mesh.latency_buckets`, where the policy has an
        objective); of `Autoscalers` ``told``, ``targets``, ``seen``, ``decided``; of `Workloads` ``replicas``,
        ``pods``, ``cpu``; and ``gauge`` (requests in flight as the callers' proxies count them). ``chosen`` is the
        length of a block, milliseconds.

    Raises
    ------
    ParameterError
        The service was never seen in this store, or the name is ambiguous.
    """
    policy = policy or Policy()
    subject = mesh.find(scope.service, window, scope.namespace) if scope else None
    where = mesh.where(subject) if subject else []
    side = Reporter.DESTINATION
    exporter = Exporter(mesh, subject.namespace if subject else "")
    autoscalers, workloads = Autoscalers(exporter), Workloads(exporter)
    replicas = workloads.replicas(window)
    block_ms = 1000 * policy.block_s or _block_ms(replicas.frame)
    words = (*COPY, "code", "flags")
    answers: dict[str, Answer | Counts] = {
        "counts": mesh.request_counts(window, words, where, reporter=side, block_ms=block_ms),
        "durations": mesh.durations(window, words, where, reporter=side, block_ms=block_ms),
        "replicas": replicas,
        "told": autoscalers.told(window),
        "targets": autoscalers.targets(window),
        "seen": autoscalers.seen(window),
        "decided": autoscalers.decided(window),
        "pods": workloads.pods(window),
        "cpu": workloads.processor_time(window, block_ms),
    }
    if subject:
        answers["gauge"] = _in_flight(mesh, subject, window)
    if policy.slo_ms:
        by = (*IDENTITY, "destination_version")
        answers["buckets"] = mesh.latency_buckets(window, by, where, reporter=side, block_ms=block_ms)
    lacking = {
        "counts": Missing("requests as the service's proxies count them", mesh.remedy("destination")),
        "durations": Missing("request durations of the service's proxies", mesh.remedy("latency")),
        "buckets": Missing("request durations by bucket", mesh.remedy("latency")),
        "gauge": Missing("requests in flight as the callers' proxies count them", mesh.remedy("in_flight")),
        "replicas": Missing("replicas of deployments", _KUBE_STATE),
        "told": Missing("bounds of autoscalers", _KUBE_STATE),
        "decided": Missing("what autoscalers decided", _KUBE_STATE),
        "pods": Missing("the life of pods", _KUBE_STATE),
        "cpu": Missing("processor time of containers", "let Prometheus scrape the kubelets' /metrics/cadvisor"),
    }
    return Evidence(
        frames=MappingProxyType({name: answer.frame for name, answer in answers.items()}),
        window=window,
        subjects=(subject,) if subject else (),
        source=f"{mesh.source} ({mesh.name})",
        queries=MappingProxyType({name: answer.query for name, answer in answers.items()}),
        missing=MappingProxyType({n: m for n, m in lacking.items() if n in answers and answers[n].frame.empty}),
        chosen=block_ms,
    )


def _in_flight(mesh: Mesh, subject: Subject, window: Window) -> Answer:
    """What the callers' proxies have in flight to the subject: a gauge, to check what durations tell."""
    hosts = sorted(set(mesh.combinations(subject, window, ("destination_host",))["destination_host"]) - {""})
    own = Condition("destination_host", (*hosts, *subject.services))
    return gauges(mesh, "in_flight", ("instance", "upstream"), window, where=[own])


_KUBE_STATE: Final = "install kube-state-metrics and let Prometheus scrape it"


def _block_ms(replicas: pd.DataFrame) -> int:
    """Two scrapes, where the exporter of replicas tells how often it is scraped; whole seconds."""
    times = np.unique(seconds(replicas["time"])) if len(replicas) else np.empty(0)
    scrape_s = float(np.median(np.diff(times))) if len(times) > 2 else _MOST_BLOCK_S / 2
    return 1000 * int(min(max(round(2 * scrape_s), _LEAST_BLOCK_S), _MOST_BLOCK_S))
