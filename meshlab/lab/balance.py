"""Do the books balance? What the load sent against what the sidecars counted, and both ends of every edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Balance", "Count", "counts"]


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one edge as one reporter counted them."""

    reporter: str
    source: str
    destination: str
    requests: int


def counts(exposition: str) -> list[Count]:
    """Read ``istio_requests_total`` out of a sidecar's own statistics.

    Parameters
    ----------
    exposition : str
        Answer of ``/stats/prometheus``, under Envoy's names.
    """
    return [
        Count(
            reporter=sample.labels["reporter"],
            source=sample.labels["source_workload"],
            destination=sample.labels["destination_workload"],
            requests=int(sample.value),
        )
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name.endswith("_istio_requests_total")
    ]


@dataclass(frozen=True, slots=True)
class Balance:
    """Both sides of the books, over a lab's whole life.

    Parameters
    ----------
    sent : int
        Requests that the load generator sent.
    arrived : int
        Requests that the load's target counted from outside the mesh.
    edges : tuple of (str, str, int, int)
        Source workload, destination workload, the source's count, the destination's count.
    """

    sent: int
    arrived: int
    edges: tuple[tuple[str, str, int, int], ...]

    @classmethod
    def of(cls, sent: int, target: str, found: Iterable[Count]) -> Balance:
        """Add up the counts of all sidecars.

        Parameters
        ----------
        sent : int
            Requests that the load generator sent.
        target : str
            The workload that the load goes to.
        found : iterable of Count
            From all sidecars.
        """
        totals: Counter[tuple[str, str, str]] = Counter()
        for count in found:
            totals[count.reporter, count.source, count.destination] += count.requests
        pairs = sorted({(source, destination) for _, source, destination in totals})
        edges = tuple(
            (source, destination, totals["source", source, destination], totals["destination", source, destination])
            for source, destination in pairs
            if source != "unknown"
        )
        return cls(sent, totals["destination", "unknown", target], edges)

    @property
    def equal(self) -> bool:
        """Whether all of it agrees, to the request."""
        return self.sent == self.arrived and all(out == into for _, _, out, into in self.edges)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a recording's truth."""
        return {
            "equal": self.equal,
            "sent_by_load": self.sent,
            "counted_by_target": self.arrived,
            "edges": [
                {"source": source, "destination": destination, "source_reporter": out, "destination_reporter": into}
                for source, destination, out, into in self.edges
            ],
        }
