"""Do the books balance? What the load sent against what the sidecars counted, and both ends of every edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Balance", "Books", "Edge", "Ledger"]

_RESET: Final = ("envoy_cluster_upstream_cx_destroy_with_active_rq", "envoy_cluster_upstream_rq_tx_reset")
"""Attempts that may have ended before the other side counted them."""


_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Books:
    """What one sidecar has counted."""

    workload: str
    """Whose sidecar it is."""
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Attempts sent, by service and version of the cluster ("" for all versions)."""
    resets: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Attempts that ended by a reset or a broken connection."""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that the service behind it made, by service and version of who answered."""
    arrived: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Requests that came in, by source workload, own service and own version."""
    handshakes: Counter[str] = field(default_factory=Counter)
    """TLS handshakes on the way in: ``all``, and by version."""


_Sample = tuple[str, frozenset[tuple[str, str]]]


class Ledger:
    """A sidecar's counters over its life, those included that it no longer shows.

    A counter that is gone keeps its last value; one that began anew adds to what it had.
    """

    def __init__(self) -> None:
        self._before: Counter[_Sample] = Counter()
        self._last: dict[_Sample, int] = {}

    def read(self, exposition: str) -> None:
        """Note what a sidecar shows now.

        Parameters
        ----------
        exposition : str
            Answer of ``/stats/prometheus``, under Envoy's names.
        """
        now = {
            # The parser gives every counter the suffix that Envoy's mostly lack.
            (sample.name.removesuffix("_total"), frozenset(sample.labels.items())): int(sample.value)
            for family in text_string_to_metric_families(exposition)
            if family.type == "counter"
            for sample in family.samples
        }
        for key, value in self._last.items():
            if now.get(key, 0) < value:
                self._before[key] += value
        self._last = now

    def books(self, workload: str) -> Books:
        """What it has counted in its life."""
        books = Books(workload)
        for (name, items), value in (self._before + Counter(self._last)).items():
            _enter(books, name, dict(items), value)
        return books


def _enter(books: Books, name: str, labels: dict[str, str], value: int) -> None:
    if name.endswith("_istio_requests"):
        service, version = labels["destination_service_name"], labels["destination_version"]
        if labels["reporter"] == "source":
            books.requests[service, version] += value
        else:
            books.arrived[labels["source_workload"], service, version] += value
    elif name.startswith("envoy_cluster_") and labels.get("cluster_name", "").startswith("outbound|"):
        _, _, version, host = labels["cluster_name"].split("|")
        edge = (host.split(".")[0], version)
        if name == "envoy_cluster_upstream_rq" and "response_code_class" not in labels:
            books.attempts[edge] += value
        elif name in _RESET:
            books.resets[edge] += value
    elif name == "envoy_listener_ssl_handshake":
        books.handshakes["all"] += value
    elif name == "envoy_listener_ssl_versions":
        books.handshakes[labels.get("envoy_ssl_version", "unknown")] += value


@dataclass(frozen=True, slots=True)
class Edge:
    """One cluster of one workload's sidecars."""

    source: str
    destination_service: str
    destination_version: str
    """Empty where the service's versions share a cluster."""
    source_reporter: int
    """Requests as the source counted them; a request is one, however often it was tried."""
    attempts: int
    """As the source's Envoy sent them."""
    destination_reporter: int
    """Attempts as the other side counted them."""
    reset: int
    """Attempts that ended by a reset or a broken connection: so many of them may not have arrived."""

    @property
    def balances(self) -> bool:
        """Whether everything that was sent arrived, but for what was reset on the way."""
        return 0 <= self.attempts - self.destination_reporter <= self.reset


@dataclass(frozen=True, slots=True)
class Balance:
    """Both sides of the books, over a lab's whole life."""

    sent: int
    """Requests that the load generator sent."""
    arrived: int
    """Requests that the load's target counted from outside the mesh."""
    edges: tuple[Edge, ...]
    outside: tuple[tuple[str, int], ...]
    """Requests from outside the mesh, by the service that counted them; the load's are not among them."""
    handshakes: int
    """TLS handshakes of all sidecars, on the way in."""
    versions: dict[str, int]
    """The same by TLS version."""

    @classmethod
    def of(cls, sent: int, target: str, books: Sequence[Books]) -> Balance:
        """Add up the books of all sidecars.

        Parameters
        ----------
        sent : int
            Requests that the load generator sent.
        target : str
            The service that the load goes to.
        """
        attempts, resets, requests = Counter[_Key](), Counter[_Key](), Counter[_Key]()
        into: Counter[_Key] = Counter()
        unknown: Counter[str] = Counter()
        handshakes: Counter[str] = Counter()
        for own in books:
            for to, counts in ((attempts, own.attempts), (resets, own.resets), (requests, own.requests)):
                to.update({(own.workload, *edge): count for edge, count in counts.items()})
            for (source, service, version), count in own.arrived.items():
                if source == "unknown":
                    unknown[service] += count
                else:
                    into[source, service, version] += count
            handshakes.update(own.handshakes)
        return cls(
            sent=sent,
            arrived=unknown.pop(target, 0),
            edges=tuple(_edges(attempts, resets, requests, into)),
            outside=tuple(sorted(unknown.items())),
            handshakes=handshakes.pop("all", 0),
            versions=dict(sorted(handshakes.items())),
        )

    @property
    def equal(self) -> bool:
        """Whether all of it agrees, to the request."""
        return (
            self.sent == self.arrived
            and all(edge.balances for edge in self.edges)
            and self.handshakes == sum(self.versions.values())
        )

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a recording's truth."""
        return {
            "equal": self.equal,
            "sent_by_load": self.sent,
            "counted_by_target": self.arrived,
            "edges": [asdict(edge) for edge in self.edges],
            "outside": dict(self.outside),
            "tls_handshakes": self.handshakes,
            "tls_versions": self.versions,
        }


def _edges(
    attempts: Counter[_Key], resets: Counter[_Key], requests: Counter[_Key], into: Counter[_Key]
) -> Iterable[Edge]:
    # A version that has a cluster of its own does not belong to the cluster of the whole service.
    own = set(attempts)

    def part(counts: Counter[_Key], key: _Key) -> int:
        source, service, version = key
        if version:
            return counts[key]
        return sum(n for (s, d, v), n in counts.items() if (s, d) == (source, service) and (s, d, v) not in own - {key})

    for key in sorted(own | {key for key in into if (key[0], key[1], "") not in own}):
        yield Edge(*key, part(requests, key), attempts[key], part(into, key), resets[key])
