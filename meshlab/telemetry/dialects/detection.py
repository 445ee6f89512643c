"""Which meshes a store's metrics speak of: told by metric and label names, never by versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.selector import matches, one_of, selector
from meshlab.core.window import Window, format_duration
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.envoy import SPELLINGS, envoy
from meshlab.telemetry.dialects.istio import OLD_METRICS, istio
from meshlab.telemetry.dialects.linkerd import LEGACY, ROUTES, linkerd

__all__ = ["LOOKED_FOR", "detect", "none_found"]

LOOKED_FOR: Final = MappingProxyType(
    {
        "Istio": "istio_requests_total: on by default, scrape the sidecars, gateways and waypoints (port 15020, "
        "/stats/prometheus)",
        "Linkerd": "response_total or outbound_http_route_*: on by default, scrape the proxies (port 4191, /metrics)",
        "Envoy": "envoy_cluster_upstream_rq: scrape Envoy's admin port, /stats/prometheus",
    }
)
"""Each mesh's metric, and how to switch it on."""

_ISTIO: Final = ("istio_requests_total", "istio_tcp_connections_opened_total")
_ROUTES: Final = tuple(name for pairs in ROUTES.values() for pair in pairs for name in pair)
_ENVOY: Final = tuple(dict.fromkeys(metric for metric, _ in SPELLINGS))
# Counters only: their buckets would be twenty times as many series.
_NAMES: Final = (*_ISTIO, *OLD_METRICS, LEGACY, *_ROUTES, *_ENVOY)
_LABELS: Final = ("reporter", "direction", *dict.fromkeys(label for _, label in SPELLINGS))


def detect(engine: Engine, window: Window, options: MeshOptions = PLAIN) -> tuple[Dialect, ...]:
    """Find the meshes whose metrics a store holds.

    At most three small queries: the engine counts series by name and by labels of a handful of values.

    Parameters
    ----------
    engine : Engine
    window : Window
        Looked at its end first, and in all of it where nothing is there.
    options : MeshOptions
        `mesh` looks for one mesh only; `forced` stand in the queries; `metrics` may name the counter.

    Returns
    -------
    tuple of Dialect
        Istio and Linkerd as they are found; Envoy's own statistics where there is neither, because they count the same
        requests again. Empty: none.

    Raises
    ------
    ParameterError
        Only metrics of Istio 1.4 or older are there, or `mesh` is no mesh that is known.
    """
    if options.mesh and options.mesh not in _FINDERS:
        raise ParameterError(
            f"mesh {plain(options.mesh)!r} is not known", f"write one of {', '.join(_FINDERS)}, or leave it out"
        )
    names = (*_NAMES, *options.metrics.values())
    seen = _Seen(_census(engine, window, names, options))
    wanted = (options.mesh,) if options.mesh else ("istio", "linkerd")
    found = tuple(dialect for name in wanted if (dialect := _FINDERS[name](seen, options)) is not None)
    if not found and not options.mesh:
        found = tuple(d for d in (_envoy(seen, options),) if d is not None)
    old = seen.names & set(OLD_METRICS)
    if old and options.mesh in {"", "istio"} and not _is_new_istio(engine, window, seen, options):
        raise ParameterError(
            f"{plain(engine.description)} holds metrics of Istio 1.4 or older ({', '.join(sorted(old))}), whose Mixer "
            "meshlab does not read",
            "upgrade to Istio 1.5 or later, whose proxies export istio_request_duration_milliseconds"
            + "".join(f', or set mesh = "{d.name.lower()}" to read that one only' for d in found if d.name != "Istio"),
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Names and the labels of few values, as the store has them together."""

    table: pd.DataFrame

    @property
    def names(self) -> set[str]:
        return set(self.table["__name__"])

    def of(self, name: str) -> pd.DataFrame:
        return self.table[self.table["__name__"] == name]

    def values(self, name: str, label: str) -> set[str]:
        return set(self.of(name)[label]) - {""}


def _census(engine: Engine, window: Window, names: tuple[str, ...], options: MeshOptions) -> pd.DataFrame:
    """One row for each name together with the labels of few values."""
    every = selector("", one_of("__name__", names), forced=options.forced)
    labels = ("__name__", *_LABELS)
    if engine.is_live:
        by = ", ".join(labels)
        length = format_duration(window.end_ms - window.start_ms)
        for inner in (every, f"last_over_time({every}[{length}])"):
            table = engine.query(f"count by ({by}) ({inner})", window.end).labels
            if len(table):
                break
    else:
        # A recording's label table is at hand, and its end may be later than its meshes'.
        table = engine.series(every, window).labels
    return table.reindex(columns=list(labels), fill_value="").drop_duplicates().reset_index(drop=True)


def _named(seen: _Seen, options: MeshOptions, label: str) -> bool:
    """Whether the counter that the profile names carries a label."""
    return "requests" in options.metrics and bool(seen.values(options.metrics["requests"], label))


def _istio(seen: _Seen, options: MeshOptions) -> Dialect | None:
    if seen.names & set(_ISTIO) or _named(seen, options, "reporter") or _forced(seen, options):
        return istio(options)
    return None


def _linkerd(seen: _Seen, options: MeshOptions) -> Dialect | None:
    # Other software may well count response_total; Linkerd's has a direction.
    counter = options.metrics.get("requests", LEGACY)
    directions = seen.values(counter, "direction") | seen.values(LEGACY, "direction")
    if directions & {"inbound", "outbound"} or seen.names & set(_ROUTES) or _forced(seen, options):
        return linkerd(frozenset(seen.names), frozenset(directions), options)
    return None


def _envoy(seen: _Seen, options: MeshOptions) -> Dialect | None:
    for metric, label in SPELLINGS:
        if seen.values(options.metrics.get("requests", metric), label):
            return envoy(metric, label, options)
    return None


def _forced(seen: _Seen, options: MeshOptions) -> bool:
    return bool(options.mesh) and options.metrics.get("requests", "") in seen.names


_FINDERS: Final[dict[str, Callable[[_Seen, MeshOptions], Dialect | None]]] = {
    "istio": _istio,
    "linkerd": _linkerd,
    "envoy": _envoy,
}


def _is_new_istio(engine: Engine, window: Window, seen: _Seen, options: MeshOptions) -> bool:
    """Whether Istio 1.5 or later is there as well, such as after an upgrade."""
    if "istio_requests_total" not in seen.names:
        return bool(seen.names - set(OLD_METRICS))
    new = selector("istio_requests_total", matches("destination_canonical_service", ".+"), forced=options.forced)
    if not engine.is_live:
        return len(engine.series(new, window)) > 0
    return len(engine.query(f"count({new})", window.end)) > 0


def none_found(source: str, window: Window, mesh: str = "") -> ParameterError:
    """The error for a store without a mesh: what was looked for, and how to switch it on."""
    wanted = {name: text for name, text in LOOKED_FOR.items() if not mesh or name.lower() == mesh}
    looked = "; ".join(f"{name}: {text}" for name, text in wanted.items())
    return ParameterError(
        f"{plain(source)} holds no metrics of a mesh that meshlab knows, from {window.start:%Y-%m-%d %H:%M} to "
        f"{window.end:%Y-%m-%d %H:%M} UTC",
        f"looked for {looked}; a store that keeps only recording rules names them in meshlab.toml",
    )
