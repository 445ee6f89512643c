"""Every installed dialect keeps its promises, and a broken one is told what is wrong."""

from __future__ import annotations

import dataclasses
import re

import mesh_series
import pytest
from istio_series import Series, canary

from meshlab.core.selector import equal, matches
from meshlab.errors import ConfigError, ContractError
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.check import Example, check_dialect
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.istio import ISTIO
from meshlab.telemetry.dialects.registry import installed
from meshlab.telemetry.dialects.signal import Signal

SOURCE, DESTINATION = Reporter.SOURCE, Reporter.DESTINATION


def labels(series: list[Series], name: str, **having: str) -> dict[str, str]:
    return next(who for who, _, _ in series if {"__name__": name, **having}.items() <= who.items())


IN_ISTIO = list(canary())
IN_LINKERD = list(mesh_series.linkerd())
IN_ROUTES = list(mesh_series.routes())
IN_ENVOY = list(mesh_series.envoy())

ISTIOS = [
    Example(
        side,
        labels(IN_ISTIO, "istio_requests_total", reporter=side.value, destination_version=version, response_code=code),
        {"source": "storefront-v1", "destination_service": "catalog", "destination_version": version, "code": code},
    )
    for side in Reporter
    for version, code in (("v1", "200"), ("v2", "500"))
]
LINKERDS = [
    Example(
        side,
        labels(IN_LINKERD, "response_total", direction=direction, classification=kind),
        {"destination_service": "catalog", "destination_workload": "catalog-v1", "code": code, "tls": "true"},
    )
    for side, direction in ((SOURCE, "outbound"), (DESTINATION, "inbound"))
    for kind, code in (("success", "200"), ("failure", "503"))
]
ROUTES = [
    Example(
        SOURCE,
        labels(IN_ROUTES, f"outbound_{protocol}_route_backend_response_statuses_total", error="", **status),
        {
            "destination_service": "catalog-v1",
            "destination_host": "catalog",
            "protocol": protocol,
            "grpc_status": number,
        },
    )
    for protocol, status, number in (
        ("http", {"http_status": "200"}, ""),
        ("grpc", {"grpc_status": "UNAVAILABLE"}, "14"),
    )
]
ENVOYS = [
    Example(
        SOURCE,
        labels(IN_ENVOY, "envoy_cluster_upstream_rq", envoy_response_code="200") | {"envoy_cluster_name": cluster},
        {"source": "gateway-0", "destination_service": service, "destination_host": host, "code": "200"},
    )
    for cluster, service, host in (
        ("cart", "cart", ""),
        ("outbound|80|v2|catalog.shop.svc.cluster.local", "catalog", "catalog.shop.svc.cluster.local"),
    )
]
EXAMPLES = {"istio": [ISTIOS], "linkerd": [LINKERDS, ROUTES], "envoy": [ENVOYS]}


@pytest.mark.parametrize("name", installed())
def test_every_installed_dialect_passes_the_checks(name: str) -> None:
    for examples in EXAMPLES.get(name, [()]):
        check_dialect(installed()[name], examples)


def test_a_dialect_outside_of_the_package_passes_the_checks(acme: Dialect) -> None:
    name = "acme_http_requests_total"
    said = {"source": "storefront", "destination_workload": "catalog-v1", "protocol": "http"}
    check_dialect(
        acme,
        [
            Example(
                side,
                {
                    "__name__": name,
                    "reporter": reporter,
                    "source_workload": "storefront",
                    "destination_workload": "catalog-v1",
                    "protocol": "HTTP/1.1",
                    "status": code,
                    **app,
                },
                {**said, "destination_service": service, "code": code},
            )
            for side, reporter in ((SOURCE, "client"), (DESTINATION, "server"))
            for code, app, service in (("200", {"destination_app": "catalog"}, "catalog"), ("500", {}, "catalog-v1"))
        ],
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"looks_for": ""}, "looks_for is empty"),
        ({"remedies": {}}, "no remedy for source"),
        (
            {"recorded_selectors": ((equal("__name__", "up"),),)},
            "istio_requests_total, which recorded_.* leave out",
        ),
        ({"label_pattern": "__name__|le|reporter"}, "outcomes from request_protocol.* leaves to the scraper"),
        ({"signals": {"denial": ()}}, "'denial' is not a signal"),
        ({"signals": {"bytes": (Signal("istio_x", {}),)}}, "istio_x reads no label"),
        ({"signals": {"bytes": (Signal("istio_x", {"tls": Column(("a",), cut="a")}),)}}, "must have one group"),
        ({"counters": ("another_total",), "recorded_selectors": ((matches("__name__", ".*"),),)}, "is not detected"),
    ],
)
def test_a_broken_dialect_is_told_what_is_wrong(change: dict[str, object], says: str) -> None:
    with pytest.raises(ContractError, match=f"dialect Istio: .*{says}"):
        check_dialect(dataclasses.replace(ISTIO, labels=(), **change), ISTIOS)  # type: ignore[arg-type]


def test_a_wrong_column_is_shown_by_the_counts() -> None:
    source = ISTIO.views[SOURCE]
    family = source.families[0]
    wrong = dataclasses.replace(family, columns={**family.columns, "code": Column(("response_flags",))})
    views = {**ISTIO.views, SOURCE: dataclasses.replace(source, families=(wrong,))}
    with pytest.raises(ContractError, match=r"requests of source by .*'-'.* expected .*'200'"):
        check_dialect(dataclasses.replace(ISTIO, views=views), ISTIOS)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("odd = no_such_module:KUMA", "The dialect odd cannot be loaded from no_such_module:KUMA"),
        ("odd = acme_dialect:view", r"The dialect odd \(acme_dialect:view\) is a function"),
        ("istio = acme_dialect:ACME", "The dialect istio .*is registered twice"),
    ],
)
def test_a_package_that_registers_nonsense_is_named(
    acme: Dialect,
    installed_with_acme: object,
    line: str,
    says: str,
) -> None:
    installed_with_acme(f"[meshlab.dialects]\n{line}\n")  # type: ignore[operator]
    with pytest.raises(ConfigError, match=says):
        installed()


def test_no_dialects_at_all_is_an_installation_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshlab.telemetry.dialects.registry.entry_points", lambda group: ())
    installed.cache_clear()
    with pytest.raises(ConfigError, match=re.escape("No dialect is installed")):
        installed()
    monkeypatch.undo()
    installed.cache_clear()
