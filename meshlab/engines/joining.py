"""Parts of one answer to one SeriesSet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.errors import ContractError
from meshlab.series import Query, SeriesSet

__all__ = ["join"]

T = TypeVar("T", bound=np.generic)


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
    starts = np.cumsum([0, *(len(p) for p in parts)])
    sid = _together([number[start + p.sid] for p, start in zip(parts, starts[:-1], strict=True)])
    time, value = _together([p.time for p in parts]), _together([p.value for p in parts])
    # Merges the runs that the parts are; where they lie in the order of time, that is all.
    if (sid[1:] < sid[:-1]).any():
        order = np.argsort(sid, kind="stable")
        sid, time, value = sid[order], time[order], value[order]
    if ((time[1:] < time[:-1]) & (sid[1:] == sid[:-1])).any():
        order = np.lexsort((time, sid))
        sid, time, value = sid[order], time[order], value[order]
    whole = replace(
        query,
        result_type=parts[0].query.result_type,
        warnings=tuple(dict.fromkeys(w for p in parts for w in p.query.warnings)),
        infos=tuple(dict.fromkeys(i for p in parts for i in p.query.infos)),
        points_expected=query.window.points * len(labels)
        if query.window and parts[0].query.result_type == "matrix"
        else sum(p.query.points_expected for p in parts),
        points_got=len(sid),
        failed=tuple(dict.fromkeys(f for p in parts for f in p.query.failed)),
    )
    return SeriesSet(labels, sid, time, value, whole)


def _together(arrays: Sequence[NDArray[T]]) -> NDArray[T]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


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
