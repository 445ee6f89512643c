"""What the meshes of a store export beside requests and durations, asked by the name of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.selector import Matcher, selector
from meshlab.core.series import Query, SeriesSet, utc_index
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS
from meshlab.telemetry.answer import Answer, joined_query
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.signal import MOMENTS, Signal
from meshlab.telemetry.increase import increase_by_block
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.queries import together
from meshlab.telemetry.scraped_twice import distinct
from meshlab.telemetry.targets import Targets

__all__ = ["gauges", "increases", "latest"]

_VALUES: Final = ["time", "value"]


def increases(
    mesh: Mesh, name: str, columns: Sequence[str], window: Span, block_ms: int, *, namespace: str = ""
) -> Counts:
    """How much the counters of a signal rose, in blocks of time.

    Parameters
    ----------
    mesh : Mesh
    name : str
        One of `dialects.signal.SIGNALS`.
    columns : sequence of str
        What is wanted of it; what a mesh does not say is the empty text.
    window : Span
    block_ms : int
        Length of a block, milliseconds.
    namespace : str
        Empty for all.

    Returns
    -------
    Counts
        By the columns, summed over pods, ports and listeners; none where no mesh exports it. What is scraped twice is
        there once.
    """
    parts, grid = [], BlockGrid.over(window, block_ms)
    for dialect, signal in _signals(mesh, name):
        targets = _counters(mesh, dialect, signal, window, namespace)
        labels = signal.named(targets.raw.labels, columns)
        parts.append(increase_by_block(targets, labels, grid, quantity="value"))
    nothing = Counts.none(columns, grid, quantity="value")
    return Counts.joined(parts or [nothing], _query(parts, window))


def gauges(
    mesh: Mesh,
    name: str,
    columns: Sequence[str],
    window: Span,
    *,
    namespace: str = "",
    where: Sequence[Condition] = (),
    last: bool = False,
) -> Answer:
    """The gauges of a signal as they were scraped.

    Parameters
    ----------
    mesh, name, columns, window, namespace
        As in `increases`.
    where : sequence of Condition
        What is asked of the engine; conditions that it cannot be asked are left open.
    last : bool
        Only the last value of each thing in the window, without its time.

    Returns
    -------
    Answer
        The columns, ``time`` and ``value``; no row where no mesh exports it. A gauge that counts down to a moment has
        the moment for its value (unix seconds). What differs only in what is left out (listeners, ports) adds up; of
        moments, the latest one is taken.
    """
    exporter = Exporter(mesh)
    answers, frames = [], [pd.DataFrame(columns=[*columns, *(_VALUES[1:] if last else _VALUES)])]
    for dialect, signal in _signals(mesh, name):
        selected = exporter.selector(signal.metric, *signal.asked(namespace, where))
        raw = mesh.engine.samples(selected, window.with_lead(LOOKBACK_MS))
        raw = distinct(raw, dialect.owns, rising=False)
        frame = _values(signal, raw, columns)
        by = [*columns, "time"]
        if last:
            by, frame = [*columns], _latest(frame, columns)
        each = frame.groupby(by, sort=True)["value"]
        answers.append(Answer((each.max() if name in MOMENTS else each.sum()).reset_index(), raw.query))
        frames += [answers[-1].frame] if len(frame) else []
    return Answer(pd.concat(frames[1:], ignore_index=True) if frames[1:] else frames[0], _query(answers, window))


def latest(mesh: Mesh, name: str, columns: Sequence[str], window: Span) -> pd.DataFrame:
    """The gauges of a signal at the window's end, as the engine groups them; the smallest where several are alike.

    Returns
    -------
    DataFrame
        The columns and ``value``, as in `gauges`; no row where no mesh exports it.
    """
    frames, asked = [pd.DataFrame(columns=[*columns, "value"])], [signal for _, signal in _signals(mesh, name)]
    expressions = []
    for signal in asked:
        labels = dict.fromkeys(label for c in columns if c in signal.columns for label in signal.columns[c].reads)
        found = selector(signal.metric, *signal.asked(""), forced=mesh.options.forced)
        expressions.append(f"min by ({', '.join(labels)}) ({found})")
    for signal, answer in zip(asked, together(mesh.engine, expressions, window.end), strict=True):
        if len(answer):
            value = answer.value + (window.end_ms / 1_000 if signal.seconds_left else 0.0)
            frames.append(signal.named(answer.labels.iloc[answer.sid], columns).assign(value=value))
    return pd.concat(frames[1:], ignore_index=True) if frames[1:] else frames[0]


def _signals(mesh: Mesh, name: str) -> list[tuple[Dialect, Signal]]:
    return [(dialect, signal) for dialect in mesh.dialects for signal in dialect.signals.get(name, ())]


def _counters(mesh: Mesh, dialect: Dialect, signal: Signal, window: Span, namespace: str) -> Targets:
    """The counters of a signal, each once, and since when their proxies are scraped."""
    exporter = Exporter(mesh)

    def others(matcher: Matcher | None) -> list[str]:
        return [exporter.selector(signal.metric, *signal.matchers, *([matcher] if matcher else []))]

    selected = exporter.selector(signal.metric, *signal.asked(namespace))
    raw = mesh.engine.samples(selected, window.with_lead(LOOKBACK_MS))
    raw = distinct(raw, dialect.owns, weights=lambda table: mesh.scrapes.counts(table, window))
    return mesh.scrapes.targets(Targets.of_proxies(raw), window, others)


def _values(signal: Signal, raw: SeriesSet, columns: Sequence[str]) -> pd.DataFrame:
    """The columns, ``series``, ``time`` and ``value`` of each sample; text is looked at once a series."""
    frame = signal.named(raw.labels, columns).iloc[raw.sid].reset_index(drop=True)
    frame["series"], frame["time"], frame["value"] = raw.sid, utc_index(raw.time), raw.value
    if signal.seconds_left:
        # It stands still until the moment is another one.
        frame["value"] += frame["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    return frame.dropna(subset=["value"])


def _latest(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The last sample of each series; of those with the same columns, the ones that had not ended before."""
    last = frame.drop_duplicates("series", keep="last")
    end = last.groupby([*columns])["time"].transform("max") if len(last) else last["time"]
    return last[last["time"] > end - pd.Timedelta(milliseconds=LOOKBACK_MS)]


def _query(answers: Sequence[Answer | Counts], window: Span) -> Query:
    """The queries that brought something, or that may have; the first one where none did."""
    telling = [a.query for a in answers if not a.empty or a.query.failed or a.query.warnings]
    return joined_query(telling or [answer.query for answer in answers[:1]], window)
