"""From any engine to a recording: in pieces, in bounded memory, and from where a killed run stopped."""

from __future__ import annotations

import re
import shutil
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.errors import EngineError, Incomplete, ParameterError, TooMuch
from meshlab.promql.rules import Rules
from meshlab.recordings.endings import Endings
from meshlab.recordings.gaps import Gap
from meshlab.recordings.manifest import as_json
from meshlab.recordings.merging import merge
from meshlab.recordings.pieces import Piece, WorkFolder, ordered, work_folder
from meshlab.recordings.redaction import Redaction, check_redacted, new_key
from meshlab.recordings.writer import check_target

__all__ = ["Progress", "record"]

Progress = Callable[[int, int, str], None]
"""Told how much is done, of how much, and what is being done."""

_MINUTE_MS: Final = 60_000
_SPANS_MS: Final = tuple(_MINUTE_MS * m for m in (1, 5, 15, 30, 60, 120, 360))
"""Lengths of a piece: each divides the next, so that pieces lie on one grid whatever their lengths."""
_FIRST_MS: Final = _SPANS_MS[1]
_EMPTY_MS: Final = _SPANS_MS[4]
_SAMPLES: Final = 1_000_000
"""A piece is to hold about as many samples, at most."""


def record(
    engine: Engine,
    selectors: Sequence[str],
    window: Span,
    out: Path,
    *,
    what: str,
    command: str = "",
    truth: Mapping[str, object] | None = None,
    redact: Sequence[str] = (),
    progress: Progress | None = None,
    resume_key: str = "",
) -> Path:
    """Record raw samples to a folder, which stands there whole or not at all.

    Samples are fetched in pieces of time, and each piece is kept beside the folder (in ``OUT.partial``) until all are
    there. Asked for the same again, `record` goes on where it stopped, killed or not; the recording does not tell.

    Parameters
    ----------
    engine : Engine
    selectors : sequence of str
        Series that match several are recorded once.
    window : Span
        What the recording is of. Samples of the look-back before its start are recorded as well.
    out : Path
        The folder; replaced when it is a recording.
    what : str
        One sentence on what was recorded.
    command : str
        The command that made it.
    truth : mapping, optional
        What is known of what really happened; JSON values.
    redact : sequence of str
        Labels whose values become pseudonyms; see `meshlab.recordings.redaction`.
    progress : callable, optional
        Told minutes done, minutes in all, and what is being done.
    resume_key : str
        What was typed for source and window, such as ``-1h``: who types the same again wants the window of the first
        time. Without it, the window itself counts.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        No selector is given, nothing matches in the window, a label cannot be redacted, the folder holds something
        else than a recording, or an unfinished recording of something else is in the way.
    Incomplete
        The engine could not give a part of the answer. The pieces before it are kept.
    Unreachable, Refused, BadQuery
        The engine did not answer. The pieces before are kept.
    RecordingError
        The folder cannot be written.
    """
    if isinstance(selectors, str) or not selectors:
        raise ParameterError("there are no selectors to record", 'give at least one, such as {__name__=~"http_.*"}')
    check_target(out)
    facts: dict[str, object] = {"what": what} | ({} if truth is None else {"truth": dict(truth)})
    as_json(facts)
    labels = check_redacted(redact)
    Redaction(labels, new_key()).command("", selectors)  # a selector that cannot be redacted is refused now
    began = engine.now().isoformat(timespec="seconds")
    asked = {
        "source": engine.description.partition(" at ")[2] or engine.description,
        "selectors": list(selectors),
        "typed": resume_key or str(window),
        "redact": list(labels),
    }
    with WorkFolder.held(work_folder(out)) as work:
        if work.is_empty and work.journal.get("asked") != asked:
            span = {"start_ms": window.start_ms, "end_ms": window.end_ms}
            work.begin({"asked": asked, "command": command, "window": span, "recorded": began, "key": new_key()})
        _check_same(work, asked)
        window = Span(work.journal["window"]["start_ms"], work.journal["window"]["end_ms"])
        redaction = Redaction(labels, work.journal["key"])
        progress = progress or (lambda done, total, what: None)
        try:
            pieces = _collect(work, engine, selectors, window, redaction, progress)
            if not any(piece.samples for piece in pieces):
                work.pieces.clear()
                wanted = ", ".join(plain(selector) for selector in selectors)
                raise ParameterError(
                    f"{engine.description} has no series that match {wanted} in {window}",
                    "check the selectors and the window",
                )
        except BaseException:
            if work.is_empty:
                work.remove()
            raise
        manifest = _manifest(engine, out, window, redaction, selectors, work, pieces) | facts
        manifest["command"] = redaction.command(command, selectors)
        merge(work, pieces, out, manifest, _writing(progress, selectors, window))
        _sweep(out)
        work.remove()
    return out


def _check_same(work: WorkFolder, asked: Mapping[str, object]) -> None:
    before: dict[str, Any] = work.journal["asked"]
    differ = [name for name in asked if before.get(name) != asked[name]]
    if differ:
        names = {"redact": "redacted labels", "typed": "source or window"}
        again = f"run that one again ({plain(work.journal['command'])})" if work.journal["command"] else "finish it"
        raise ParameterError(
            f"{plain(work.folder)} holds an unfinished recording of another command"
            f" (its {' and '.join(names.get(name, name) for name in differ)} differ)",
            f"{again}, delete that folder, or choose another one for this recording",
        )


def _collect(
    work: WorkFolder,
    engine: Engine,
    selectors: Sequence[str],
    window: Span,
    redaction: Redaction,
    progress: Progress,
) -> list[Piece]:
    """All pieces: those that are there, and the missing ones, which are fetched."""
    # With what an engine still sees at the window's start, so that a recording answers as the engine did.
    lead = window.with_lead(LOOKBACK_MS)
    whole = _minutes(lead.end_ms - lead.start_ms)
    pieces: list[Piece] = []
    for number, selector in enumerate(selectors):
        at, span, most = lead.start_ms, _FIRST_MS, _SPANS_MS[-1]
        there = work.pieces.get(number, {})
        starts = sorted(there)
        endings = Endings(engine, selector, redaction)
        gap = Gap(engine, selector, longest_piece_ms=_SPANS_MS[-1])
        while at < lead.end_ms:
            done = number * whole + _minutes(at - lead.start_ms)
            progress(done, len(selectors) * whole, plain(redaction.selector(selector)))
            if at not in there:
                later = bisect_right(starts, at)
                until = starts[later] if later < len(starts) else lead.end_ms
                if end := gap.end(at, until):
                    endings.forget()
                    work.add(number, at, end, SeriesSet.empty(Query(selector, engine.description)))
                else:
                    try:
                        found, end, fetched = _fetch(engine, selector, at, until, span)
                        if found.query.failed:
                            raise Incomplete(
                                f"{engine.description} returned a partial result: {'; '.join(found.query.failed)}",
                                "exclude these from the selectors, or record again later",
                            )
                    except EngineError as error:
                        raise _kept(error, work) from error.__cause__
                    most = min(most, fetched) if fetched < span else most
                    found = ordered(replace(found, labels=redaction.table(found.labels)), at, end)
                    if endings.wants_tails and pieces and pieces[-1].selector == number:
                        endings.saw(work.samples(pieces[-1]), at)
                    ended = endings.completed(found, end)
                    # A marker may stand before the piece in which the series was seen to be missing.
                    found = found if ended is found else ordered(ended, at - LOOKBACK_MS, end)
                    endings.saw(found, end)
                    work.add(number, at, end, found)
                    del found, ended
                there = work.pieces[number]
            else:
                endings.forget()
            gap.saw(there[at])
            pieces.append(there[at])
            at, span = there[at].end_ms, min(most, _next_span(there[at], span))
    return pieces


def _fetch(engine: Engine, selector: str, at: int, until: int, span: int) -> tuple[SeriesSet, int, int]:
    """The samples of a piece, its end and its span, which is made shorter where the engine says that it is too much."""
    while True:
        end = min((at // span + 1) * span, until)
        try:
            return engine.samples(selector, Span(at, end)), end, span
        except TooMuch:
            if span == _SPANS_MS[0]:
                raise
            span = max(s for s in _SPANS_MS if s < span)


def _next_span(piece: Piece, span: int) -> int:
    """How long the next piece may be if it is as dense as this one was; it grows one step at a time."""
    if not piece.samples:
        # Where nothing was, much may begin.
        return _EMPTY_MS
    per_ms = piece.samples / (piece.end_ms - piece.start_ms)
    longer = min([s for s in _SPANS_MS if s > span], default=_SPANS_MS[-1])
    return max([s for s in _SPANS_MS if s * per_ms <= _SAMPLES and s <= longer], default=_SPANS_MS[0])


def _kept(error: EngineError, work: WorkFolder) -> EngineError:
    """The same error, which also says that the pieces are not lost."""
    if work.is_empty:
        return error
    return type(error)(
        error.what,
        f"{error.hint}{'; ' if error.hint else ''}what was recorded so far is kept in {plain(work.folder)}:"
        " run the same command again to resume",
    )


def _manifest(
    engine: Engine,
    out: Path,
    window: Span,
    redaction: Redaction,
    selectors: Sequence[str],
    work: WorkFolder,
    pieces: Sequence[Piece],
) -> dict[str, object]:
    manifest: dict[str, object] = {
        "name": out.resolve().name,
        "recorded": work.journal["recorded"],
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        # A recording travels: the address stays at home.
        "engine": engine.description.split(" at ")[0],
        **_rules(engine),
        "selectors": [redaction.selector(selector) for selector in selectors],
    }
    warnings = list(dict.fromkeys(text for piece in pieces for text in piece.warnings))
    if redaction.labels:
        manifest["redacted"] = list(redaction.labels)
        if warnings:
            warnings = [f"the engine's {len(warnings)} warnings are left out: they may name what is redacted"]
    if warnings:
        manifest["warnings"] = warnings
    return manifest


def _rules(engine: Engine) -> dict[str, object]:
    """By which rules the recording is to be evaluated, beside the engine's version."""
    # Only Prometheus 3 has the switch, and not every engine knows of it.
    delayed = getattr(engine, "delayed_names", None) if engine.left_open else None
    return Rules(engine.left_open, delayed_names=delayed).said()


def _writing(progress: Progress, selectors: Sequence[str], window: Span) -> Callable[[float], None]:
    lead = window.with_lead(LOOKBACK_MS)
    whole = len(selectors) * _minutes(lead.end_ms - lead.start_ms)
    return lambda share: progress(whole, whole, f"writing, {share:.0%}")


def _sweep(out: Path) -> None:
    """Remove what a run left that was killed while it put its folder into place."""
    out = out.resolve()
    left = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{8}}\.(new|old)")
    for path in out.parent.iterdir():
        if left.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _minutes(span_ms: int) -> int:
    return -(-span_ms // _MINUTE_MS)
