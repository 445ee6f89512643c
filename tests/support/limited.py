"""An engine with limits that are written as keywords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meshlab.config import Limits, Profile
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine

__all__ = ["connection", "engine_at"]


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
    return PrometheusEngine(connection(url, limits=limits, **how))


def connection(url: str, *, auth: Any = None, headers: Any = None, cache: Path | None = None, **how: Any) -> Connection:
    """How to reach a server: secrets, cache, and the keys of its profile."""
    return Connection(Profile(url=url, **how), auth, headers or {}, cache)
