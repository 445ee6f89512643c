"""What every engine answers: series of samples, and the query that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.window import Span
from meshlab.errors import ContractError

__all__ = ["Query", "SeriesSet", "utc_index"]

_REMARKS: Final = ("PromQL warning:", "PromQL info:")
"""How Prometheus begins what it says of the expression, and not of its data."""


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, of whom, and how complete the answer is.

    Parameters
    ----------
    promql : str
        The expression or selector as sent.
    engine : str
        A description of the engine, free of secrets.
    window : Span or None
        What was asked for, a Window where it was points of a grid; None for an instant query.
    at_ms : int or None
        The instant asked for, unix milliseconds; None for a range.
    result_type : str
        ``matrix``, ``vector``, ``scalar``, ``string``, ``samples`` or ``series``.
    warnings, infos : tuple of str
        What the engine said beside its answer.
    points_expected, points_got : int
        Grid points asked for over all series of the answer, and points that came.
    failed : tuple of str
        The parts that stayed missing, in words; empty when the answer is whole.
    link : str
        Where a person looks at this query; empty where there is no such place (a recording).
    """

    promql: str
    engine: str
    window: Span | None = None
    at_ms: int | None = None
    result_type: str = "matrix"
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    points_expected: int = 0
    points_got: int = 0
    failed: tuple[str, ...] = ()
    link: str = ""

    @property
    def complete(self) -> bool:
        """Whether the engine answered every part of the question."""
        return not self.failed

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of how the answer was made, without the engine's remarks on the expression."""
        return tuple(text for text in self.infos if not text.startswith(_REMARKS))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the answer may not be whole: parts that stayed missing, and what the store warned of.

        Prometheus's remarks on an expression (``PromQL warning: ...``) say nothing about what is missing.
        """
        warned = (text for text in self.warnings if not text.startswith(_REMARKS))
        return (*self.failed, *(f"the store warns: {text}" for text in warned))


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSet:
    """Series of samples: a label table and three columns.

    Parameters
    ----------
    labels : DataFrame
        One row a series, one string column a label (sorted by name); an absent label is the empty string.
        The index is 0..n-1 and is what `sid` points to. ``__name__`` is a label.
    sid : ndarray of int32, shape (samples,)
        Row in `labels` of each sample; ascending.
    time : ndarray of datetime64[ms], shape (samples,)
        UTC; ascending within a series.
    value : ndarray of float64, shape (samples,)
        NaN is a value; a missing row is a missing point.
    query : Query
        The question that these series answer.
    """

    labels: pd.DataFrame
    sid: NDArray[np.int32]
    time: NDArray[np.datetime64]
    value: NDArray[np.float64]
    query: Query = field(default_factory=lambda: Query(promql="", engine=""))

    def __post_init__(self) -> None:
        if not len(self.sid) == len(self.time) == len(self.value):
            raise ContractError("a SeriesSet's columns differ in length")

    @classmethod
    def empty(cls, query: Query) -> SeriesSet:
        """No series at all: an answer, not an error."""
        return cls(
            pd.DataFrame(index=pd.RangeIndex(0)),
            np.empty(0, np.int32),
            np.empty(0, "datetime64[ms]"),
            np.empty(0, np.float64),
            query,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def with_query(self, query: Query) -> SeriesSet:
        """The same series as the answer to another query."""
        return replace(self, query=query)

    def in_order(self, rows: Sequence[int]) -> SeriesSet:
        """The same series, each place taken from another row.

        Parameters
        ----------
        rows : sequence of int
            Every row once.
        """
        if all(row == place for place, row in enumerate(rows)):
            return self
        order = np.asarray(rows, np.int64)
        lengths = np.diff(self.starts)[order]
        begin = np.repeat(self.starts[order] - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
        at = begin + np.arange(len(self.sid))
        labels = self.labels.iloc[order].reset_index(drop=True)
        sid = np.repeat(np.arange(len(order), dtype=np.int32), lengths)
        return replace(self, labels=labels, sid=sid, time=self.time[at], value=self.value[at])

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each series begins in the columns, plus the end; shape (series + 1,)."""
        return np.searchsorted(self.sid, np.arange(len(self.labels) + 1, dtype=np.int32), side="left").astype(np.int64)

    def only(self, keep: NDArray[np.bool_]) -> SeriesSet:
        """Some of the series.

        Parameters
        ----------
        keep : ndarray of bool, shape (series,)
        """
        number = np.cumsum(keep) - 1
        rows = keep[self.sid]
        labels = self.labels[keep].reset_index(drop=True)
        return SeriesSet(labels, number[self.sid[rows]].astype(np.int32), self.time[rows], self.value[rows], self.query)

    def tidy(self) -> pd.DataFrame:
        """The long frame: one row a sample.

        Returns
        -------
        DataFrame
            A category column a label (sorted by name), ``time`` (datetime64[ms, UTC]) and ``value`` (float64), in
            the order of series and time. A label called ``time`` or ``value`` becomes ``exported_time`` or
            ``exported_value``.
        """
        columns: dict[str, object] = {}
        lengths = np.diff(self.starts)
        for name in sorted(self.labels.columns):
            table = pd.Categorical(self.labels[name])
            taken = name in ("time", "value")
            columns[f"exported_{name}" if taken else name] = pd.Categorical.from_codes(
                np.repeat(table.codes, lengths), dtype=table.dtype, validate=False
            )
        columns["time"] = utc_index(self.time)
        columns["value"] = self.value
        return pd.DataFrame(columns, copy=False)


def utc_index(time: NDArray[np.datetime64] | NDArray[np.int64]) -> pd.DatetimeIndex:
    """Moments (unix milliseconds or datetime64, UTC) as pandas has them: datetime64[ms, UTC]."""
    return pd.DatetimeIndex(time.astype("datetime64[ms]")).tz_localize("UTC")
