"""Series that the security question reads, as Istio writes them, and its answer to them."""

from __future__ import annotations

from collections.abc import Iterable

from istio_series import Series, engine

from meshlab.core.results import Finding, Result
from meshlab.questions.security import Security
from meshlab.telemetry.mesh import Mesh

SA = "spiffe://cluster.local/ns/shop/sa/"


def tcp(name: str = "istio_tcp_connections_opened_total", **more: str) -> dict[str, str]:
    return {
        "__name__": name,
        "reporter": "destination",
        "source_workload": "web",
        "source_workload_namespace": "shop",
        "source_principal": SA + "web",
        "destination_workload": "db",
        "destination_workload_namespace": "shop",
        "destination_canonical_service": "db",
        "destination_service": "db.shop.svc.cluster.local",
        "destination_principal": SA + "db",
        "destination_cluster": "east",
        "request_protocol": "tcp",
        "response_flags": "-",
        "connection_security_policy": "mutual_tls",
        "app": "db",
        **more,
    }


def http(**more: str) -> dict[str, str]:
    return tcp("istio_requests_total", request_protocol="http", response_code="200", **more)


def judged(*series: Iterable[Series], **settings: object) -> Result:
    mesh, question = Mesh.detect(engine(*series), "a test"), Security()
    chosen = question.settings(**settings)
    return question.answer(question.collect(mesh, mesh.window(), chosen), chosen)


def finding(result: Result, code: str) -> Finding:
    return next(f for f in result.findings if f.code == code)
