"""From files to a recording: what `meshlab.import_file` and ``meshlab import`` do."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.core.series import SeriesSet
from meshlab.core.suggest import suggest
from meshlab.core.times import EPOCH, Moment, parse_instant, to_ms
from meshlab.core.window import Span
from meshlab.errors import ParameterError
from meshlab.recordings.assembly import Assembly
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Format, Hints
from meshlab.recordings.importers.registry import recognise
from meshlab.recordings.moments import check_zone
from meshlab.recordings.recorder import Progress
from meshlab.recordings.writer import check_target, writing

__all__ = ["import_file"]

_ROLES: Final = ("time", "value", "metric")


def import_file(
    files: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    at: Moment | Sequence[Moment] = (),
    columns: Mapping[str, str] | None = None,
    metric: str = "",
    timezone: str = "",
    what: str = "",
    progress: Progress | None = None,
) -> Path:
    """Make a recording of telemetry that another tool wrote down.

    The format is recognised by the content: Prometheus text or OpenMetrics, Prometheus JSON, VictoriaMetrics's export,
    CSV or Parquet with a row a sample, CSV with a column a series; or folders of TSDB blocks. Names and milliseconds
    stay as they are, samples are sorted, and those that are the same are taken once.

    Parameters
    ----------
    files : path or sequence of paths
        They become one recording.
    out : Path or str
        The recording's folder; replaced when it is a recording.
    at : str, float, datetime, or a sequence of these
        When a scrape without times was made: one for all files, or one for each.
    columns : mapping, optional
        Of a table: ``time``, ``value`` and ``metric`` to the names of columns.
    metric : str
        The name of series that have none.
    timezone : str
        The zone of times without an offset, such as ``Europe/Berlin``.
    what : str
        One sentence on what it is.
    progress : callable, optional
        Takes files done, files in all, and the name of the next.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        A file cannot be read or is in no known format, does not say when its samples were taken, has two values of a
        series at one moment, or holds too much; or the folder holds something else than a recording.
    RecordingError
        The folder cannot be written.
    """
    paths = [Path(p) for p in ([files] if isinstance(files, str | Path) else files)]
    if not paths:
        raise ParameterError("there are no files to import", "name at least one")
    target = Path(out)
    check_target(target)
    moments = list(at) if isinstance(at, Sequence) and not isinstance(at, str) else [at]
    hints = _hints(paths, moments, columns or {}, metric, timezone)
    command = _command(paths, target, moments, columns or {}, metric, timezone)
    progress = progress or (lambda done, total, name: None)
    what = what or f"Imported from {_listed(paths)}"
    if any(map(os.path.isdir, paths)):
        from meshlab.recordings.importers.blocks import import_blocks

        _check_used(hints[0], moments, [])
        return import_blocks(paths, target, what=what, command=command, progress=progress)
    whole, formats = Assembly(metric), []
    for number, (path, said) in enumerate(zip(paths, hints, strict=True)):
        progress(number, len(paths), plain(path.name))
        file = ImportedFile.checked(path)
        formats.append(recognise(file, said))
        before = whole.samples
        for batch in formats[-1].read(file, said):
            whole.add(batch, file.name)
        if whole.samples == before:
            raise ParameterError(f"{file.name} holds no sample ({formats[-1].name})", "check how it was exported")
    _check_used(hints[0], moments, formats)
    progress(len(paths), len(paths), "writing")
    _write(whole.series(), target, formats, tuple(whole.warnings), what=what, command=command)
    return target


def _write(
    series: SeriesSet, out: Path, formats: Sequence[Format], warnings: Sequence[str], *, what: str, command: str
) -> None:
    time = series.time.astype(np.int64)
    # Samples belong to a window after its start: the first one too.
    window = Span(int(time.min()) - 1, int(time.max()))
    manifest: dict[str, object] = {
        "name": out.resolve().name,
        "what": what,
        # Not when it was imported: the same files give the same bytes.
        "recorded": window.end.isoformat(),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "engine": " and ".join(dict.fromkeys(one.name for one in formats)),
        "command": command,
        "ranges": "left-open" if all(one.left_open for one in formats) else "closed",
        "selectors": [],
    }
    if warnings:
        manifest["warnings"] = list(warnings)
    with writing(out, series.labels, manifest) as samples:
        samples.append(series.sid, series.time, series.value)


def _hints(
    paths: Sequence[Path], at: Sequence[Moment], columns: Mapping[str, str], metric: str, zone: str
) -> list[Hints]:
    """What is known of each file."""
    for role in columns:
        if role not in _ROLES:
            raise ParameterError(f"a table has no column of the kind {plain(role)!r}", suggest(role, _ROLES))
    check_zone(zone)
    if len(at) not in (0, 1, len(paths)):
        raise ParameterError(
            f"there are {len(paths)} files and {len(at)} times", "give --at once for all files, or once for each"
        )
    common = Hints(None, dict(columns), metric, zone)
    times: list[int | None] = [_instant(moment) for moment in at]
    times = times or [None]
    return [replace(common, at_ms=ms) for ms in (times * len(paths) if len(times) == 1 else times)]


def _instant(moment: Moment) -> int:
    if isinstance(moment, str) and (moment.strip() == "now" or moment.strip().startswith("-")):
        raise ParameterError(
            f"the time of a scrape is {moment!r}, and a file does not know what time it is now",
            "write when it was made, such as 2026-01-31T12:00:00Z",
        )
    return to_ms(parse_instant(moment, EPOCH, "at"))


def _check_used(hints: Hints, at: Sequence[Moment], formats: Sequence[Format]) -> None:
    """What was typed and cannot mean anything is a mistake."""
    given = {"at": bool(at), "columns": bool(hints.columns), "timezone": bool(hints.zone)}
    takes = {name for one in formats for name in one.takes}
    for name, there in given.items():
        if there and name not in takes:
            kinds = " and ".join(dict.fromkeys(one.name for one in formats)) or "TSDB blocks"
            raise ParameterError(f"--{name} means nothing for {kinds}", "leave it out")


def _listed(paths: Sequence[Path]) -> str:
    names = [plain(path.name) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _command(
    paths: Sequence[Path], out: Path, at: Sequence[Moment], columns: Mapping[str, str], metric: str, zone: str
) -> str:
    """The command as it could have been typed."""
    parts = ["meshlab", "import", *map(str, paths), "-o", str(out)]
    parts += [part for moment in at for part in ("--at", str(moment))]
    parts += ["--columns", ",".join(f"{k}={v}" for k, v in columns.items())] if columns else []
    parts += ["--metric", metric] if metric else []
    parts += ["--timezone", zone] if zone else []
    return shlex.join(parts)
