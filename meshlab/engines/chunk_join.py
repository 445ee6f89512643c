"""Parts of one answer to one SeriesSet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.errors import ContractError

__all__ = ["after", "join"]


def join(parts: Sequence[SeriesSet], query: Query) -> SeriesSet:
    """Join parts that share no sample, on one label table.

    Parameters
    ----------
    parts : sequence of SeriesSet
        In the order of time, at least one.
    query : Query
        The question that they answer together; their counts, warnings and failures are added to it.

    Raises
    ------
    ContractError
        There is no part.
    """
    if not parts:
        raise ContractError("no parts to join")
    number, labels = _numbered([p.labels for p in parts])
    sid, time, value = _merged(parts, number, len(labels))
    whole = replace(
        query,
        result_type=parts[0].query.result_type,
        warnings=tuple(dict.fromkeys(w for p in parts for w in p.query.warnings)),
        infos=tuple(dict.fromkeys(i for p in parts for i in p.query.infos)),
        points_expected=query.window.points * len(labels)
        if isinstance(query.window, Window)
        else sum(p.query.points_expected for p in parts),
        points_got=len(sid),
        failed=tuple(dict.fromkeys(f for p in parts for f in p.query.failed)),
    )
    return SeriesSet(labels, sid, time, value, whole)


def after(raw: SeriesSet, start_ms: int) -> SeriesSet:
    """Samples after an instant, and the series and labels that have some."""
    keep = raw.time > np.datetime64(start_ms, "ms")
    lengths = np.bincount(raw.sid[keep], minlength=len(raw))
    used = lengths > 0
    if used.all() and keep.all():
        return raw
    labels = raw.labels[used].reset_index(drop=True)
    labels = labels.loc[:, (labels != "").any(axis=0)]
    sid = np.repeat(np.arange(len(labels), dtype=np.int32), lengths[used])
    return SeriesSet(labels, sid, raw.time[keep], raw.value[keep], raw.query)


def _merged(
    parts: Sequence[SeriesSet], number: NDArray[np.int32], series: int
) -> tuple[NDArray[np.int32], NDArray[np.datetime64], NDArray[np.float64]]:
    """The samples of all parts by series and time.

    Only the runs are sorted, not the samples: each part is put where its runs belong, one part after the other.
    """
    starts = [p.starts for p in parts]
    lengths = np.concatenate([np.diff(s) for s in starts])
    order = np.argsort(number, kind="stable")
    begin = np.empty(len(order), np.int64)
    begin[order] = np.cumsum(lengths[order]) - lengths[order]
    sid = np.repeat(np.arange(series, dtype=np.int32), np.bincount(number, lengths, series).astype(np.int64))
    if len(parts) == 1 and (begin == starts[0][:-1]).all():
        time, value = parts[0].time, parts[0].value
    else:
        time, value = np.empty(len(sid), "datetime64[ms]"), np.empty(len(sid), np.float64)
        runs = np.split(begin, np.cumsum([len(p) for p in parts])[:-1])
        for part, start, into in zip(parts, starts, runs, strict=True):
            place = np.arange(len(part.sid)) + np.repeat(into - start[:-1], np.diff(start))
            time[place], value[place] = part.time, part.value
    if ((time[1:] < time[:-1]) & (sid[1:] == sid[:-1])).any():
        by_time = np.lexsort((time, sid))
        sid, time, value = sid[by_time], time[by_time], value[by_time]
    return sid, time, value


def _numbered(tables: Sequence[pd.DataFrame]) -> tuple[NDArray[np.int32], pd.DataFrame]:
    """Each row's place in the common table, and that table."""
    first = tables[0]
    if all(table is first for table in tables) and not first.duplicated().any():
        # Pieces of one question mostly have the very same table.
        rows = np.arange(len(first), dtype=np.int32)
        return np.concatenate([rows for _ in tables]), first
    stacked = pd.concat(tables, ignore_index=True).fillna("")
    stacked = stacked[sorted(stacked.columns)]
    number: NDArray[np.int32] = np.zeros(len(stacked), np.int32)
    if len(stacked.columns):
        number = np.asarray(stacked.groupby(list(stacked.columns), sort=True).ngroup(), np.int32)
    return number, stacked.iloc[np.unique(number, return_index=True)[1]].reset_index(drop=True)
