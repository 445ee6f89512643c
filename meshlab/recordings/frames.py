"""A frame of pandas, one row a sample, as series."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.promql.values import METRIC
from meshlab.recordings.assembly import Batch
from meshlab.recordings.moments import moments_ms, numbers_ms

__all__ = ["frame_batch", "grouped"]


def frame_batch(frame: pd.DataFrame, time: str, value: str, metric: str, zone: str, origin: str) -> Batch:
    """The samples of a long frame: one row a sample, a column a label.

    Parameters
    ----------
    frame : DataFrame
        A missing or empty label is no label; a missing value is no sample.
    time, value : str
        Their columns. Times are aware, or numbers (unix seconds, milliseconds, microseconds or nanoseconds), or text.
    metric : str
        The column of the metric's name.
    zone : str
        The time zone of times without one; empty refuses them.
    origin : str
        For messages.

    Raises
    ------
    ParameterError
        A column is missing or twice there, or does not hold what it ought to.
    """
    names = [str(name) for name in frame.columns]
    for wanted, column in (("time", time), ("value", value)):
        if column not in names:
            raise ParameterError(
                f"{origin} has no column {plain(column)!r} for the {wanted}; it has {_listed(names)}",
                f"name the column that holds the {wanted}",
            )
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ParameterError(f"{origin} has two columns called {plain(twice)!r}", "rename one of them")
    frame = frame.set_axis(names, axis=1)
    frame = frame[frame[value].notna().to_numpy() | (frame[value].dtype.kind == "f")]
    try:
        values = np.asarray(frame[value].astype(np.float64), np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"{origin}: the column {plain(value)!r} is not numeric ({error})", "give numbers"
        ) from None
    labels = {METRIC if name == metric else name: _texts(frame[name]) for name in names if name not in (time, value)}
    metrics, sid = grouped(pd.DataFrame(labels, index=pd.RangeIndex(len(frame))))
    return Batch(metrics, sid, _times(frame[time], zone, origin), values)


def grouped(labels: pd.DataFrame) -> tuple[list[dict[str, str]], NDArray[np.int32]]:
    """Label sets of a frame of text, each once, and which of them each row has."""
    if not len(labels.columns):
        return [{}], np.zeros(len(labels), np.int32)
    by = labels.groupby(list(labels.columns), sort=False, observed=True, dropna=False)
    sid = by.ngroup().to_numpy().astype(np.int32)
    first = np.unique(sid, return_index=True)[1]
    return [{str(n): str(v) for n, v in row.items()} for row in labels.iloc[first].to_dict("records")], sid


def _texts(column: pd.Series) -> pd.Series:
    text = column.astype("object").where(column.notna(), "").map(str)
    return text.astype("str").reset_index(drop=True)


def _times(column: pd.Series, zone: str, origin: str) -> NDArray[np.int64]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        if column.isna().any():
            raise ParameterError(f"{origin} has a sample without a time", "remove it")
        return np.asarray(column.dt.as_unit("ms").astype(np.int64), np.int64)
    if column.dtype.kind in "iuf":
        return numbers_ms(column.to_numpy(), origin)
    texts = column.astype("object").map(lambda t: t.isoformat() if hasattr(t, "isoformat") else str(t))
    return moments_ms(texts.to_numpy(), zone, origin)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(plain(name)) for name in names[:8])
    return (f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown) or "none"
