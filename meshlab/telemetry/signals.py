"""What the meshes of a store export beside requests and durations, asked by the name of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts, group_rows
from meshlab.core.selector import selector
from meshlab.core.series import Query
from meshlab.core.window import Span
from meshlab.telemetry.answer import Answer, joined_query
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.signal import Signal
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.queries import together

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
        By the columns; none where no mesh exports it. What is scraped twice is there once.
    """
    parts = []
    for signal in _signals(mesh, name):
        labels, matchers = {label: label for label in signal.labels}, signal.asked(namespace)
        part = Exporter(mesh).increase_by_block(signal.metric, window, labels, block_ms, *matchers)
        parts.append(part.relabelled(signal.named(part.labels, columns)))
    nothing = Counts.none(columns, BlockGrid.over(window, block_ms), quantity="value")
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
        the moment for its value (unix seconds).
    """
    exporter = Exporter(mesh)
    ask = exporter.last if last else exporter.gauge
    answers, frames = [], [pd.DataFrame(columns=[*columns, *(_VALUES[1:] if last else _VALUES)])]
    for signal in _signals(mesh, name):
        labels = {label: label for label in signal.labels}
        answers.append(ask(signal.metric, window, labels, *signal.asked(namespace, where)))
        frames += [_named(signal, answers[-1].frame, columns)] if len(answers[-1].frame) else []
    return Answer(pd.concat(frames[1:], ignore_index=True) if frames[1:] else frames[0], _query(answers, window))


def latest(mesh: Mesh, name: str, columns: Sequence[str], window: Span) -> pd.DataFrame:
    """The gauges of a signal at the window's end, as the engine groups them; the smallest where several are alike.

    Returns
    -------
    DataFrame
        The columns and ``value``, as in `gauges`; no row where no mesh exports it.
    """
    frames, asked = [pd.DataFrame(columns=[*columns, "value"])], _signals(mesh, name)
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


def _signals(mesh: Mesh, name: str) -> list[Signal]:
    return [signal for dialect in mesh.dialects for signal in dialect.signals.get(name, ())]


def _named(signal: Signal, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A frame by labels as one by columns; text is looked at once a combination of labels."""
    number, labels = group_rows(frame[list(signal.labels)])
    named = signal.named(labels, columns).iloc[number].reset_index(drop=True)
    values = frame[[name for name in _VALUES if name in frame]].reset_index(drop=True)
    if signal.seconds_left:
        # It stands still until the moment is another one.
        values["value"] += values["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    return pd.concat([named, values], axis=1)


def _query(answers: Sequence[Answer | Counts], window: Span) -> Query:
    """The queries that brought something, or that may have; the first one where none did."""
    telling = [a.query for a in answers if not a.empty or a.query.failed or a.query.warnings]
    return joined_query(telling or [answer.query for answer in answers[:1]], window)
