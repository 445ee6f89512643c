"""Deployments and their pods, as kube-state-metrics and cAdvisor show them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from meshlab.core.counts import Counts
from meshlab.core.selector import differs, equal
from meshlab.core.window import Span
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.kubernetes.gauges import PLACE, Exporter

__all__ = ["Workloads", "without_hash"]

_DEPLOYMENT: Final = {**PLACE, "workload": "deployment"}
_POD: Final = {**PLACE, "pod": "pod"}
_TIMES: Final = {
    "created": "kube_pod_created",
    "scheduled": "kube_pod_status_scheduled_time",
    "ready": "kube_pod_status_ready_time",
    "deleted": "kube_pod_deletion_timestamp",
}
# The alphabet in which Kubernetes writes the hash of a pod template: no vowels, nothing that looks like another.
_HASH: Final = re.compile(r"(.+)-[bcdfghjklmnpqrstvwxz2456789]{5,10}")


@dataclass(frozen=True, slots=True)
class Workloads:
    """Replicas of deployments, the life of pods, and the processor time that their containers used.

    Parameters
    ----------
    exporter : Exporter
    """

    exporter: Exporter

    def replicas(self, window: Span) -> Answer:
        """``cluster, namespace, workload, time, ready, wanted`` at each scrape."""
        ready = self.exporter.gauge("kube_deployment_status_replicas_ready", window, _DEPLOYMENT)
        wanted = self.exporter.gauge("kube_deployment_spec_replicas", window, _DEPLOYMENT)
        frame = wanted.frame.rename(columns={"value": "wanted"}).merge(
            ready.frame.rename(columns={"value": "ready"}), on=[*_DEPLOYMENT, "time"], how="left"
        )
        # The exporter leaves the gauge out where it is 0, and only there.
        frame["ready"] = frame["ready"].fillna(0.0) if len(ready.frame) else frame["ready"]
        return Answer(frame[[*_DEPLOYMENT, "time", "ready", "wanted"]], ready.query)

    def pods(self, window: Span) -> Answer:
        """``cluster, namespace, pod, workload, created, scheduled, ready, deleted`` (unix seconds, NaN: not known).

        A pod that was made anew under the same name has one row a life.
        """
        keys = [*_POD]
        made = self.exporter.gauge(_TIMES["created"], window, _POD)
        # The value is the moment; lives of one name are distinguished by it.
        frame = made.frame.rename(columns={"value": "created"})
        lives = frame.groupby([*keys, "created"], sort=True)["time"].agg(["min", "max"]).reset_index()
        for name in ("scheduled", "ready", "deleted"):
            other = self.exporter.gauge(_TIMES[name], window, _POD).frame.rename(columns={"value": name})
            joined = frame.merge(other, on=[*keys, "time"], how="inner")
            found = joined.groupby([*keys, "created"], sort=True)[name].min().reset_index()
            lives = lives.merge(found, on=[*keys, "created"], how="left")
        owner = {**_POD, "owner": "owner_name", "owner_kind": "owner_kind"}
        owners = self.exporter.labels("kube_pod_owner", window, owner).frame.drop_duplicates(keys)
        lives = lives.merge(owners, on=keys, how="left")
        named = lives["owner"].fillna("").astype(str).map(without_hash)
        lives["workload"] = named.where(named != "", lives["pod"].astype(str).map(without_hash))
        columns = [*keys, "workload", "created", "scheduled", "ready", "deleted"]
        return Answer(lives[columns].reset_index(drop=True), made.query)

    def processor_time(self, window: Span, block_ms: int) -> Counts:
        """``cpu_s``, seconds of a processor in each block of time, by ``cluster, namespace, pod, container``."""
        return self.exporter.increase_by_block(
            "container_cpu_usage_seconds_total",
            window,
            {**_POD, "container": "container"},
            block_ms,
            differs("container", ""),
            differs("container", "POD"),
            quantity="cpu_s",
        )

    def requests(self, window: Span) -> Answer:
        """``cluster, namespace, pod, container, cores``: the processor time that containers request."""
        answer = self.exporter.last(
            "kube_pod_container_resource_requests",
            window,
            {**_POD, "container": "container"},
            equal("resource", "cpu"),
        )
        return Answer(answer.frame.rename(columns={"value": "cores"}), answer.query)


def without_hash(name: str) -> str:
    """The workload's name in that of its replica set or pod: without the hashes that Kubernetes adds."""
    for _ in range(2):
        found = _HASH.fullmatch(name)
        if not found:
            break
        name = found[1]
    return name
