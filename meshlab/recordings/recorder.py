"""From any engine to a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from meshlab.engines.base import Engine
from meshlab.engines.joining import join
from meshlab.errors import Incomplete, ParameterError
from meshlab.escape import plain
from meshlab.recordings.format import Stored, write_folder
from meshlab.series import Query, SeriesSet
from meshlab.window import Window

__all__ = ["record"]


def record(
    engine: Engine,
    selectors: Sequence[str],
    window: Window,
    out: Path,
    *,
    what: str,
    command: str = "",
    truth: Mapping[str, object] | None = None,
) -> Path:
    """Record raw samples to a folder, which stands there whole or not at all.

    Parameters
    ----------
    engine : Engine
    selectors : sequence of str
        Series that match several are recorded once.
    window : Window
        Samples with start < time <= end.
    out : Path
        The folder; replaced when it exists.
    what : str
        One sentence on what was recorded.
    command : str
        The command that made it.
    truth : mapping, optional
        What is known of what really happened; JSON values.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        Nothing matches in the window.
    Incomplete
        The engine could not give a part of the answer: nothing is written.
    """
    parts = [engine.samples(selector, window) for selector in selectors]
    failed = [text for part in parts for text in part.query.failed]
    if failed:
        raise Incomplete(f"{engine.description} could not give all samples: {'; '.join(failed)}", "record anew later")
    query = Query(promql=" or ".join(selectors), engine=engine.description, window=window, result_type="samples")
    found = _once(join(parts, query)) if parts else SeriesSet.empty(query)
    if not len(found.sid):
        raise ParameterError(
            f"{engine.description} has nothing that matches {', '.join(plain(s) for s in selectors)} in {window}",
            "check the selectors, and that the window lies where data is",
        )
    manifest: dict[str, object] = {
        "name": out.name,
        "what": what,
        "recorded": _rfc3339(engine),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "engine": engine.description.split(" at ")[0],
        "ranges": "left-open" if engine.left_open else "closed",
        "command": command,
        "selectors": list(selectors),
    }
    if truth is not None:
        manifest["truth"] = dict(truth)
    write_folder(out, Stored(found, manifest))
    return out


def _once(found: SeriesSet) -> SeriesSet:
    """Drop samples that came twice because two selectors match their series."""
    twice = (found.sid[1:] == found.sid[:-1]) & (found.time[1:] == found.time[:-1])
    if not twice.any():
        return found
    keep = ~twice
    return SeriesSet(
        found.labels,
        found.sid[[True, *keep]],
        found.time[[True, *keep]],
        found.value[[True, *keep]],
        found.query,
    )


def _rfc3339(engine: Engine) -> str:
    return engine.now().isoformat(timespec="seconds")
