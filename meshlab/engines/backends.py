"""What each kind of store needs as parameters, and how it is known.

Parameters: prometheus.io, "HTTP API"; docs.victoriametrics.com, "Prometheus querying API enhancements"; thanos.io,
"Querier/Query" (partial responses are the default there, and lose stores with only a warning; downsampled counters are
no counters); grafana.com/docs/mimir, "HTTP API".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from meshlab.config import Kind, Profile
from meshlab.core.sanitize import plain
from meshlab.errors import ConfigError

__all__ = ["NAMES", "BackendParams", "address", "introduced", "params_for"]

_THANOS: Final = MappingProxyType({"dedup": "true", "partial_response": "false"})
NAMES: Final = MappingProxyType(
    {
        Kind.PROMETHEUS: "Prometheus",
        Kind.VICTORIAMETRICS: "VictoriaMetrics",
        Kind.THANOS: "Thanos",
        Kind.MIMIR: "Mimir",
    }
)


@dataclass(frozen=True, slots=True)
class BackendParams:
    """How one kind of store is asked.

    Parameters
    ----------
    query, query_range, series : mapping of str to str
        What is sent beside the question.
    tenant_header : str
        Empty where a tenant is not a header.
    exports : bool
        Whether raw samples come from ``/api/v1/export``.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    query_range: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, str] = field(default_factory=dict)
    tenant_header: str = ""
    exports: bool = False


_PARAMS: Final = MappingProxyType(
    {
        Kind.PROMETHEUS: BackendParams(),
        # Without nocache, start and end are moved to multiples of the step, and the last half minute is left out.
        Kind.VICTORIAMETRICS: BackendParams(
            query=MappingProxyType({"nocache": "1"}), query_range=MappingProxyType({"nocache": "1"}), exports=True
        ),
        Kind.THANOS: BackendParams(
            query=MappingProxyType({**_THANOS, "max_source_resolution": "0s"}),
            query_range=MappingProxyType({**_THANOS, "max_source_resolution": "0s"}),
            series=_THANOS,
            tenant_header="THANOS-TENANT",
        ),
        Kind.MIMIR: BackendParams(tenant_header="X-Scope-OrgID"),
    }
)


def params_for(kind: Kind | None) -> BackendParams:
    """How a kind is asked; one that is not known, as Prometheus is."""
    return _PARAMS[kind or Kind.PROMETHEUS]


def address(profile: Profile) -> tuple[str, dict[str, str]]:
    """Where a tenant's data is, and the header that names the tenant.

    Raises
    ------
    ConfigError
        A tenant is given, and the kind of store that knows tenants is not.
    """
    url, kind, tenant = profile.url, profile.kind, profile.tenant
    if not tenant:
        return url, {}
    if kind is Kind.VICTORIAMETRICS:
        if not tenant.replace(":", "").isdecimal():
            raise ConfigError(f"the tenant {plain(tenant)!r} is not an account", 'write tenant = "42", or "42:7"')
        return f"{url.rstrip('/')}/select/{tenant}/prometheus", {}
    header = params_for(kind).tenant_header
    if not header:
        raise ConfigError("a tenant is given to a store without tenants", 'add kind = "mimir", or "thanos"')
    return url, {header: tenant}


def introduced(build: Mapping[str, object], speaks_metricsql: Callable[[], bool]) -> tuple[Kind | None, str]:
    """Kind and version, from what a store says of its build.

    Parameters
    ----------
    build : mapping
        The data of ``/api/v1/status/buildinfo``; empty where there is none.
    speaks_metricsql : callable
        Asked only where the build does not tell: VictoriaMetrics passes for a Prometheus without a revision.

    Returns
    -------
    Kind or None, str
        None where nothing tells; the version may be empty.
    """
    version = plain(str(build.get("version", "")).split("+")[0])[:40]
    if "mimir" in str(build.get("application", "")).lower():
        return Kind.MIMIR, version
    if not build.get("revision") and speaks_metricsql():
        # The version is that of the Prometheus it passes for.
        return Kind.VICTORIAMETRICS, ""
    if version.startswith("0."):
        return Kind.THANOS, version
    return (Kind.PROMETHEUS, version) if version else (None, "")
