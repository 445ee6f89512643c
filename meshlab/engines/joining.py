"""Parts of one answer to one SeriesSet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from meshlab.errors import ContractError
from meshlab.series import Query, SeriesSet

__all__ = ["join"]


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
    stacked = pd.concat([p.labels for p in parts], ignore_index=True).fillna("")
    stacked = stacked[sorted(stacked.columns)]
    if len(stacked.columns):
        number = stacked.groupby(list(stacked.columns), sort=True).ngroup().to_numpy(np.int32)
    else:
        number = np.zeros(len(stacked), np.int32)
    labels = stacked.iloc[np.unique(number, return_index=True)[1]].reset_index(drop=True)
    starts = np.cumsum([0, *(len(p) for p in parts)])
    sid = np.concatenate([number[start + p.sid] for p, start in zip(parts, starts[:-1], strict=True)])
    time = np.concatenate([p.time for p in parts])
    order = np.lexsort((time, sid))
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
    return SeriesSet(labels, sid[order], time[order], np.concatenate([p.value for p in parts])[order], whole)
