"""From a source to a recording of all that the notebooks need: what `meshlab.record` and ``meshlab record`` do."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from meshlab.core.times import Moment
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.recordings import recorder
from meshlab.recordings.writer import check_target
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.dialects.detection import detect, none_found, unread
from meshlab.telemetry.kubernetes import recorded
from meshlab.telemetry.source import open_source

__all__ = ["record"]


def record(
    source: str,
    out: Path | str,
    *,
    start: Moment,
    end: Moment = "",
    selectors: Sequence[str] = (),
    redact: Sequence[str] = (),
    what: str = "",
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Record raw samples of a server to a folder that notebooks can be run on.

    An interrupted recording resumes when the same is asked again.

    Parameters
    ----------
    source : str
        As in `meshlab.connect`.
    out : Path or str
        The recording's folder; replaced when it is a recording.
    start, end : str, float or datetime
        RFC 3339 with an offset, unix seconds, ``-1h``, or an aware datetime; the end is now when not given.
    selectors : sequence of str
        Series to record besides those that the notebooks need.
    redact : sequence of str
        Labels whose values are replaced by pseudonyms.
    what : str
        One sentence on what was recorded; the kind of store when not given.
    progress : callable, optional
        Takes the minutes done, the minutes in all, and what is being done.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        No such source, no mesh or nothing else to record in it, a wrong time or selector, or another thing in the way.
    EngineError
        The server did not answer, or not in full. What was recorded before is kept.
    RecordingError
        The folder cannot be written.
    """
    folder = Path(out)
    check_target(folder)
    engine, options = open_source(source)
    window = Span.parse(start, end, now=engine.now())
    return recorder.record(
        engine,
        _needed(engine, window, options, selectors),
        window,
        folder,
        what=what or f"Recorded from {engine.description.partition(' at ')[0] if redact else engine.description}",
        command=_command(source, str(start), str(end), selectors, redact),
        redact=redact,
        progress=progress,
        resume_key=f"{source}, {start} to {end or 'now'}",
    )


def _needed(engine: Engine, window: Span, options: MeshOptions, more: Sequence[str]) -> list[str]:
    """All that the notebooks read of the meshes in a store, and what was asked for besides."""
    meshes = detect(engine, window, options)
    if not meshes and not more:
        raise none_found(engine.description, window, options, unread(engine, window, options, ()))
    return list(dict.fromkeys([*(s for mesh in meshes for s in mesh.recorded), *recorded(options), *more]))


def _command(source: str, start: str, end: str, selectors: Sequence[str], redact: Sequence[str]) -> str:
    """The command as it was typed. Where names are redacted, the server's is none of the reader's business either."""
    named = "URL" if redact and source.startswith(("http://", "https://")) else source
    parts = ["meshlab", "record", "--source", named, "--start", start, *(["--end", end] if end else [])]
    parts += [part for s in selectors for part in ("--selector", s)]
    return shlex.join([*parts, *(part for label in redact for part in ("--redact", label))])
