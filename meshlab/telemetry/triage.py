"""A first look at everything at once: what goes on in a mesh, from a handful of summed queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.series import Query
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.telemetry import counts, retries
from meshlab.telemetry.dialects.base import DIMENSIONS, Reporter
from meshlab.telemetry.kubernetes import Autoscalers, Exporter
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.signals import latest

__all__ = ["NAMED", "Triage"]

NAMED: Final = tuple(name for name in DIMENSIONS if name.startswith("destination_") and name != "destination_instance")
"""What tells called services and their arms apart."""

_OUTCOME: Final = ("code", "grpc_status", "flags", "tls")


@dataclass(frozen=True)
class Triage:
    """What goes on in a mesh within a window.

    Every frame is asked once, however many questions look at it, and no query depends on how many services there are.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    """

    mesh: Mesh
    window: Window

    @property
    def sides(self) -> dict[Reporter, pd.DataFrame]:
        """Requests of each side: `NAMED`, ``code``, ``grpc_status``, ``flags``, ``tls`` and ``requests``."""
        return self._totals[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """How these requests were counted, where that is to be known."""
        return self._totals[1].notes

    @cached_property
    def _totals(self) -> tuple[dict[Reporter, pd.DataFrame], Query]:
        return counts.both_totals(self.mesh.views, self.window, (*NAMED, *_OUTCOME))

    @cached_property
    def named(self) -> pd.DataFrame:
        """Requests of services that have a name, of the side that counted more: `NAMED` and ``requests``."""
        table = _larger(list(self.sides.values()), NAMED)
        return table[table["destination_service"] != ""].reset_index(drop=True)

    @cached_property
    def services(self) -> pd.DataFrame:
        """Called services: `IDENTITY`, ``destination_workload``, ``destination_host`` and ``requests``.

        One row a service, with its busiest workload and host, the busiest first. What has no service's name is none.
        """
        every = pd.concat(list(self.sides.values()))
        table = _larger(list(self.sides.values()), IDENTITY)
        for name in ("destination_workload", "destination_host"):
            best = every[every[name] != ""].groupby([*IDENTITY, name])["requests"].sum().reset_index()
            best = best.sort_values("requests").drop_duplicates(list(IDENTITY), keep="last").drop(columns="requests")
            table = table.merge(best, on=list(IDENTITY), how="left").fillna({name: ""})
        return table[table["destination_service"] != ""].reset_index(drop=True)

    @cached_property
    def nameless(self) -> float:
        """Requests whose called service has no name: outside the mesh, or a label is missing."""
        table = _larger(list(self.sides.values()), IDENTITY)
        return float(table.loc[table["destination_service"] == "", "requests"].sum())

    @cached_property
    def with_durations(self) -> frozenset[tuple[str, ...]]:
        """Services whose requests have durations, by `IDENTITY`."""
        return frozenset(key for view in self.mesh.views for key in view.with_durations(IDENTITY, self.window))

    @cached_property
    def retries(self) -> pd.DataFrame:
        """What proxies retried: ``destination_namespace``, ``destination_service`` and ``retries``."""
        return retries.retry_totals(self.mesh.views, self.window)

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """The certificates that end first: ``cluster``, ``namespace``, ``pod``, ``name``, ``view``, ``value`` (s)."""
        columns = ("cluster", "namespace", "pod", "name", "view")
        return latest(self.mesh, "certificates", columns, self.window).sort_values("value").reset_index(drop=True)

    @cached_property
    def autoscalers(self) -> pd.DataFrame:
        """Autoscalers: ``cluster``, ``namespace``, ``workload``, ``current`` and ``most`` replicas."""
        return Autoscalers(Exporter(self.mesh)).now(self.window)

    def parameters(self, subject: Subject) -> dict[str, str]:
        """A service as a notebook's parameters: its name, and all of it where several clusters have one."""
        table = self.services
        alike = (table["destination_namespace"] == subject.namespace) & (
            table["destination_service"] == subject.service
        )
        if alike.sum() > 1:
            return {"service": str(subject)}
        names = {"service": subject.service, "namespace": subject.namespace}
        return {name: text for name, text in names.items() if text}

    def has_durations(self, subject: Subject) -> bool:
        """Whether a service's requests have durations."""
        return any((subject.cluster, subject.namespace, service) in self.with_durations for service in subject.services)


def _larger(sides: Sequence[pd.DataFrame], keys: Sequence[str]) -> pd.DataFrame:
    """The larger of the sides' sums, the largest first: the keys and ``requests``."""
    sums: list[pd.DataFrame] = [side.groupby(list(keys))["requests"].sum().reset_index() for side in sides]
    table: pd.DataFrame = pd.concat(sums).groupby(list(keys))["requests"].max().reset_index()
    table = table[np.isfinite(table["requests"]) & (table["requests"] > 0)]
    order = [False] + [True] * len(keys)
    table = table.sort_values(["requests", *keys], ascending=order)
    return table.reset_index(drop=True)
