"""An engine with limits that are written as keywords."""

from __future__ import annotations

from typing import Any

from meshlab.config import Limits
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine

__all__ = ["engine_at"]


def engine_at(
    url: str,
    *,
    timeout_s: float = 30.0,
    max_bytes: int = 512 << 20,
    max_series: int = 200_000,
    parallel: int = 4,
    **how: Any,
) -> PrometheusEngine:
    """Connect with small limits."""
    limits = Limits(timeout_s=timeout_s, bytes=max_bytes, series=max_series, parallel=parallel)
    if isinstance(how.get("client_cert"), tuple):
        how["client_cert"], how["client_key"] = how["client_cert"]
    return PrometheusEngine(Connection(url, limits=limits, **how))
