"""Which meshes a store's metrics speak of: recognised by metric and label names, never by versions."""

from __future__ import annotations

from meshlab.core.sanitize import plain
from meshlab.core.selector import selector
from meshlab.core.suggest import suggest
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects import survey
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.dialect import Dialect, Outdated
from meshlab.telemetry.dialects.registry import installed

__all__ = ["detect", "none_found"]


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
    dialects = installed()
    if options.mesh and options.mesh not in dialects:
        raise ParameterError(f"mesh {plain(options.mesh)!r} is not known", suggest(options.mesh, dialects))
    names = [n for d in dialects.values() for n in (*d.counters, *(d.outdated.metrics if d.outdated else ()))]
    labels = dict.fromkeys(label for d in dialects.values() for label in d.labels)
    census = Census.take(engine, window, names, list(labels), options)
    wanted = {name: d for name, d in dialects.items() if options.mesh in ("", name)}
    found: dict[str, Dialect] = {}
    for name, dialect in wanted.items():
        if not (dialect.stand_in and found) and (detected := dialect.detect(census)) is not None:
            found[name] = detected
    for name, dialect in wanted.items():
        if dialect.outdated is not None:
            others = [other for other in found if other != name]
            _refuse_outdated(dialect.outdated, engine, window, census, others)
    return survey.fitted(engine, window, tuple(found.values()))


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


def none_found(source: str, window: Span, mesh: str = "") -> ParameterError:
    """The error for a store without a mesh: what was looked for, and how to switch it on."""
    looked = "; ".join(f"{d.name}: {d.looks_for}" for name, d in installed().items() if mesh in ("", name))
    return ParameterError(
        f"{plain(source)} holds no metrics of a mesh that meshlab knows, from {window.start:%Y-%m-%d %H:%M} to "
        f"{window.end:%Y-%m-%d %H:%M} UTC",
        f"looked for {looked}; a store that keeps only recording rules names them in meshlab.toml",
    )
