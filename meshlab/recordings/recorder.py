"""From any engine to a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.engines.joining import join
from meshlab.errors import Incomplete, ParameterError
from meshlab.escape import plain
from meshlab.recordings.format import Stored, check_target, write_folder
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
        What the recording is of. Samples of the look-back before its start are recorded as well.
    out : Path
        The folder; replaced when it is a recording.
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
        No selector is given, nothing matches in the window, or the folder holds something else than a recording.
    Incomplete
        The engine could not give a part of the answer: nothing is written.
    RecordingError
        The folder cannot be written.
    """
    if isinstance(selectors, str) or not selectors:
        raise ParameterError(
            "no list of selectors is given to record", 'give at least one, such as {__name__=~"istio_.*"}'
        )
    check_target(out)
    # With what an engine still sees at the window's start, so that a recording answers as the engine did.
    lead = window.with_lead(LOOKBACK_MS)
    parts = [engine.samples(selector, lead) for selector in selectors]
    failed = list(dict.fromkeys(text for part in parts for text in part.query.failed))
    if failed:
        raise Incomplete(
            f"{engine.description} could not give all samples: {'; '.join(failed)}",
            "choose selectors that leave these out, or record anew later",
        )
    query = Query(promql=" or ".join(selectors), engine=engine.description, window=lead, result_type="samples")
    found = _once(join(parts, query))
    if not len(found.sid):
        raise ParameterError(
            f"{engine.description} has nothing that matches {', '.join(plain(s) for s in selectors)} in {window}",
            "check the selectors, and that the window lies where data is",
        )
    manifest: dict[str, object] = {
        "name": out.resolve().name,
        "what": what,
        "recorded": engine.now().isoformat(timespec="seconds"),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        # A recording travels: the address stays at home.
        "engine": engine.description.split(" at ")[0],
        "ranges": "left-open" if engine.left_open else "closed",
        "command": command,
        "selectors": list(selectors),
    }
    if found.query.warnings:
        manifest["warnings"] = list(found.query.warnings)
    if truth is not None:
        manifest["truth"] = dict(truth)
    write_folder(out, Stored(found, manifest))
    return out


def _once(found: SeriesSet) -> SeriesSet:
    """Drop samples that came twice because two selectors match their series."""
    again = (found.sid[1:] == found.sid[:-1]) & (found.time[1:] == found.time[:-1])
    if not again.any():
        return found
    keep = np.concatenate([[True], ~again])
    query = replace(found.query, points_expected=int(keep.sum()), points_got=int(keep.sum()))
    return SeriesSet(found.labels, found.sid[keep], found.time[keep], found.value[keep], query)
