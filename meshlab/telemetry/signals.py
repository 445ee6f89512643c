"""What the meshes of a store export beside requests and durations, asked by the name of a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher
from meshlab.core.series import Query
from meshlab.core.window import Window
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.signal import Signal
from meshlab.telemetry.kubernetes import Exporter
from meshlab.telemetry.mesh import Answer, Mesh

__all__ = ["gauges", "increases"]

_VALUES: Final = ["block", "time", "value"]

Ask = Callable[[str, Mapping[str, str], tuple[Matcher, ...]], Answer]
"""Asks for a metric by labels, with matchers."""


def increases(
    mesh: Mesh, name: str, columns: Sequence[str], window: Window, block_ms: int, *, namespace: str = ""
) -> Answer:
    """How much the counters of a signal rose, in blocks of time.

    Parameters
    ----------
    mesh : Mesh
    name : str
        One of `dialects.signal.SIGNALS`.
    columns : sequence of str
        What is wanted of it; what a mesh does not say is the empty text.
    window : Window
    block_ms : int
        Length of a block, milliseconds.
    namespace : str
        Empty for all.

    Returns
    -------
    Answer
        The columns, ``block`` and ``value``; no row where no mesh exports it. What is scraped twice is there once.
    """
    exporter = Exporter(mesh)
    return _answer(
        mesh,
        name,
        columns,
        window,
        namespace,
        lambda metric, labels, matchers: exporter.risen(metric, window, labels, block_ms, *matchers),
    )


def gauges(
    mesh: Mesh,
    name: str,
    columns: Sequence[str],
    window: Window,
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
    return _answer(
        mesh,
        name,
        columns,
        window,
        namespace,
        lambda metric, labels, matchers: ask(metric, window, labels, *matchers),
        where,
    )


def _answer(
    mesh: Mesh,
    name: str,
    columns: Sequence[str],
    window: Window,
    namespace: str,
    ask: Ask,
    where: Sequence[Condition] = (),
) -> Answer:
    asked = [
        (signal, ask(signal.metric, {label: label for label in signal.labels}, signal.asked(namespace, where)))
        for dialect in mesh.dialects
        for signal in dialect.signals.get(name, ())
    ]
    frames = [_named(signal, answer.frame, columns) for signal, answer in asked if len(answer.frame)]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, *_VALUES])
    return Answer(frame, _query(list(_telling(asked)), window))


def _named(signal: Signal, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A frame by labels as one by columns; text is looked at once a combination of labels."""
    labels = frame[list(signal.labels)]
    number = labels.groupby(list(labels), sort=False).ngroup()
    named = signal.named(labels[~number.duplicated()], columns).iloc[number].reset_index(drop=True)
    values = frame[[name for name in _VALUES if name in frame]].reset_index(drop=True)
    if signal.seconds_left:
        # It stands still until the moment is another one.
        values["value"] += values["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    return pd.concat([named, values], axis=1)


def _telling(asked: Sequence[tuple[Signal, Answer]]) -> Iterator[Query]:
    """The queries that brought something, or that may have; the first one where none did."""
    queries = [a.query for _, a in asked if len(a.frame) or a.query.failed or a.query.warnings]
    yield from queries or [a.query for _, a in asked[:1]]


def _query(queries: Sequence[Query], window: Window) -> Query:
    if len(queries) == 1:
        return queries[0]
    if not queries:
        return Query(promql="", engine="", window=window)
    return replace(
        queries[0],
        promql=" or ".join(query.promql for query in queries),
        warnings=tuple(dict.fromkeys(text for query in queries for text in query.warnings)),
        failed=tuple(text for query in queries for text in query.failed),
        link="",
    )
