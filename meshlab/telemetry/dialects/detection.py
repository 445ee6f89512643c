"""Which meshes a store's metrics speak of: recognised by metric and label names, never by versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.core.selector import selector
from meshlab.core.suggest import suggest
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects import effects, survey
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.dialect import Dialect, Outdated
from meshlab.telemetry.dialects.registry import installed

__all__ = ["detect", "none_found", "unread"]

_FOREIGN: Final = {
    "traces_service_graph_request_total": "the service graph of Tempo or the OpenTelemetry Collector",
    "kong_http_requests_total": "Kong Gateway",
    "haproxy_backend_http_responses_total": "HAProxy",
    "osm_request_total": "Open Service Mesh",
    "envoy_http_downstream_rq_xx": "Envoy's listeners",
    "hubble_flows_processed_total": "Cilium's flows (Hubble without HTTP)",
    "nginx_ingress_nginx_http_requests_total": "F5's NGINX ingress controller",
    "dapr_http_server_request_count": "Dapr",
    "beyla_network_flow_bytes_total": "Grafana Beyla",
}
"""Counters of requests that no dialect reads, and whose they are."""


def detect(engine: Engine, window: Span, options: MeshOptions = PLAIN) -> tuple[Dialect, ...]:
    """Find the meshes whose metrics a store holds.

    At most three small queries: the engine counts series by name and by labels of a handful of values.

    Parameters
    ----------
    engine : Engine
    window : Span
        Its end is looked at first, and all of it where nothing is there.
    options : MeshOptions
        `mesh` looks for one mesh only; `forced` stand in the queries; `metrics` may name the counter.

    Returns
    -------
    tuple of Dialect
        Each installed dialect that is found; those that stand in for others only where there is no other, because they
        count the same requests again. Empty: none.

    Raises
    ------
    ParameterError
        Only metrics of outdated releases are there, or no dialect is called `mesh`.
    ConfigError
        An installed dialect cannot be used.
    """
    dialects = _known(options)
    if options.mesh and options.mesh not in dialects:
        raise ParameterError(f"mesh {plain(options.mesh)!r} is not known", suggest(options.mesh, dialects))
    census = _census(engine, window, dialects, options)
    wanted = {name: d for name, d in dialects.items() if options.mesh in ("", name)}
    found: dict[str, Dialect] = {}
    taken: set[str] = set()
    for name, dialect in wanted.items():
        if (dialect.stand_in and found) or taken & {*dialect.counters}:
            continue
        if (detected := dialect.detect(census)) is not None:
            found[name] = detected
            taken |= {*dialect.counters} if name in options.declared else set()
    for name, dialect in wanted.items():
        if dialect.outdated is not None:
            others = [other for other in found if other != name]
            _refuse_outdated(dialect.outdated, engine, window, census, others)
    effects.check_effects(engine, window, tuple(found.values()), options)
    return survey.fitted(engine, window, tuple(found.values()))


def unread(engine: Engine, window: Span, options: MeshOptions, read: Sequence[Dialect]) -> tuple[str, ...]:
    """What a store holds of requests that is not read, in words: by meshes that count again, and by strangers.

    Asks what `detect` asked, and nothing more.

    Parameters
    ----------
    engine : Engine
    window : Span
    options : MeshOptions
    read : sequence of Dialect
        Those that are read.
    """
    dialects = _known(options)
    census = _census(engine, window, dialects, options)
    known = {dialect.name for dialect in read}
    # What a mesh reads for its signals, such as its proxies' own statistics, is no news.
    rows = [[m for m in row if m.name == "__name__"] for dialect in read for row in dialect.recorded_selectors]
    words = []
    for name, dialect in dialects.items():
        there = census.names & {*dialect.counters}
        found = sorted(n for n in there if not any(all(m.holds(n) for m in row) for row in rows))
        if found and dialect.name not in known and dialect.detect(census) is not None:
            words.append(f'{dialect.name} ({", ".join(found)}): read with mesh = "{name}"')
    words += [f"{what} ({name}): not read" for name, what in _FOREIGN.items() if name in census.names]
    return tuple(words)


def _known(options: MeshOptions) -> dict[str, Dialect]:
    """Declared and installed dialects by name, in the order in which they are looked for."""
    return {**options.declared, **{n: d for n, d in installed().items() if n not in options.declared}}


def _census(engine: Engine, window: Span, dialects: Mapping[str, Dialect], options: MeshOptions) -> Census:
    names = [n for d in dialects.values() for n in (*d.counters, *(d.outdated.metrics if d.outdated else ()))]
    labels = dict.fromkeys(label for d in dialects.values() for label in d.labels)
    return Census.take(engine, window, [*dict.fromkeys([*names, *_FOREIGN])], list(labels), options)


def _refuse_outdated(outdated: Outdated, engine: Engine, window: Span, census: Census, others: list[str]) -> None:
    """Raise where the store holds metrics of outdated releases, and none of newer ones, such as after an upgrade."""
    old = census.names & {*outdated.metrics}
    metric, matcher = outdated.current
    if not old or (metric not in census.names and census.names - old):
        return
    current = selector(metric, matcher, forced=census.options.forced)
    if metric in census.names and (
        len(engine.query(f"count({current})", window.end)) if engine.is_live else len(engine.series(current, window))
    ):
        return
    raise ParameterError(
        f"{plain(engine.description)} holds metrics of {outdated.what.format(', '.join(sorted(old)))}",
        outdated.upgrade + "".join(f', or set mesh = "{name}" to read that one only' for name in others),
    )


def none_found(source: str, window: Span, options: MeshOptions = PLAIN, there: Sequence[str] = ()) -> ParameterError:
    """The error for a store without a mesh: what is there instead (`unread`), and what was looked for."""
    dialects = _known(options)
    looked = "; ".join(f"{d.name}: {d.looks_for}" for name, d in dialects.items() if options.mesh in ("", name))
    confined = f"check match = {[*options.match]}: nothing may fulfil it; " if options.match else ""
    instead = f"; it has {'; '.join(there)}" if there else ""
    return ParameterError(
        f"{plain(source)} holds no metrics of a mesh that meshlab knows, from {window.start:%Y-%m-%d %H:%M} to "
        f"{window.end:%Y-%m-%d %H:%M} UTC{instead}",
        f"{confined}looked for {looked}; a store that keeps only recording rules names them in meshlab.toml",
    )
