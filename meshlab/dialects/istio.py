"""Istio's standard metrics, as its sidecars and waypoints export them (1.5 and later).

Names and labels: istio.io, "Istio Standard Metrics"; istio/proxy testdata/metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meshlab.dialects.base import Reporter
from meshlab.errors import ContractError
from meshlab.selector import Matcher, equal, one_of, selector
from meshlab.window import format_duration

__all__ = ["Istio", "every_query"]

_REQUESTS: Final = "istio_requests_total"
_DURATION: Final = "istio_request_duration_milliseconds_bucket"

_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "source": "source_workload",
        "source_namespace": "source_workload_namespace",
        "source_version": "source_version",
        "source_cluster": "source_cluster",
        "source_principal": "source_principal",
        "destination_workload": "destination_workload",
        "destination_service": "destination_canonical_service",
        "destination_host": "destination_service",
        # The workload's namespace: destination_service_namespace is the host's, and "unknown" for hosts outside.
        "destination_namespace": "destination_workload_namespace",
        "destination_version": "destination_version",
        "destination_cluster": "destination_cluster",
        "destination_principal": "destination_principal",
        "reporter": "reporter",
        "protocol": "request_protocol",
        "code": "response_code",
        "grpc_status": "grpc_response_status",
        "flags": "response_flags",
        "tls": "connection_security_policy",
    }
)

_OWN: Final = frozenset(_COLUMNS.values()) | {
    "__name__",
    "le",
    "source_app",
    "source_canonical_service",
    "source_canonical_revision",
    "destination_app",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
}


@dataclass(frozen=True, slots=True)
class Istio:
    """Istio's words.

    Parameters
    ----------
    forced : tuple of Matcher
        Matchers that stand in every selector: what the profile demands.
    """

    forced: tuple[Matcher, ...] = ()

    @property
    def name(self) -> str:
        """The mesh's name."""
        return "Istio"

    @property
    def columns(self) -> Mapping[str, str]:
        """Label of each word of the vocabulary."""
        return _COLUMNS

    @property
    def own_labels(self) -> frozenset[str]:
        """Labels that the proxy sets; the rest tells the scraped pod."""
        return _OWN

    def detect(self) -> str:
        """Selector whose series exist where Istio's metrics are."""
        return selector(_REQUESTS, forced=self.forced)

    def counts(self, reporter: Reporter, where: Sequence[Matcher]) -> str:
        """Selector of ``istio_requests_total`` as one side reports it."""
        return self._select(_REQUESTS, reporter, where)

    def buckets(self, reporter: Reporter, where: Sequence[Matcher]) -> str:
        """Selector of ``istio_request_duration_milliseconds_bucket`` as one side reports it."""
        return self._select(_DURATION, reporter, where)

    def increase(self, reporter: Reporter, where: Sequence[Matcher], by: Sequence[str], range_ms: int) -> str:
        """Expression: requests over a range, summed by words of the vocabulary."""
        return self._sum("increase", reporter, where, by, range_ms)

    def rate(self, reporter: Reporter, where: Sequence[Matcher], by: Sequence[str], range_ms: int) -> str:
        """Expression: requests a second, summed by words of the vocabulary."""
        return self._sum("rate", reporter, where, by, range_ms)

    def any_of(self, word: str, values: Sequence[str]) -> Matcher:
        """Matcher of a word of the vocabulary against literal values."""
        return equal(_label(word), values[0]) if len(values) == 1 else one_of(_label(word), values)

    def _select(self, metric: str, reporter: Reporter, where: Sequence[Matcher]) -> str:
        return selector(metric, equal("reporter", reporter.value), *where, forced=self.forced)

    def _sum(
        self, function: str, reporter: Reporter, where: Sequence[Matcher], by: Sequence[str], range_ms: int
    ) -> str:
        labels = ", ".join(_label(word) for word in by)
        return f"sum by ({labels}) ({function}({self.counts(reporter, where)}[{format_duration(range_ms)}]))"


def _label(word: str) -> str:
    try:
        return _COLUMNS[word]
    except KeyError:
        raise ContractError(f"Istio has no label for {word!r}") from None


def every_query(namespace: str = "shop", service: str = "catalog", range_ms: int = 60_000) -> list[str]:
    """Every shape of PromQL that this dialect emits, for tests that compare engines.

    Parameters
    ----------
    namespace, service : str
        The subject.
    range_ms : int
        Range of the rates, milliseconds.
    """
    istio = Istio()
    words = ("destination_cluster", "destination_namespace", "destination_service", "destination_version", "code")
    queries = [istio.detect()]
    for where in (
        (),
        (istio.any_of("destination_service", [service]), istio.any_of("destination_namespace", [namespace])),
    ):
        for reporter in Reporter:
            queries += [istio.counts(reporter, where), istio.buckets(reporter, where)]
            for count in range(1, len(words) + 1):
                queries += [f(reporter, where, words[:count], range_ms) for f in (istio.increase, istio.rate)]
    queries.append(istio.counts(Reporter.SOURCE, [istio.any_of("code", ["500", "503", "5.."])]))
    return queries
