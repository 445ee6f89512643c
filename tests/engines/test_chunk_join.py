"""Joining: parts of an answer give the whole answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.engines.chunk_join import join
from meshlab.engines.label_tables import label_table
from meshlab.errors import ContractError

QUESTION = Query("m", "test", window=Window(0, 45_000, 15_000))
LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "Y", "é", "\U0001f600", "\uffff"]))


def cut(series: list[dict[str, str]], present: np.ndarray, steps: slice) -> SeriesSet:
    """The series with a point in these steps, as a server would answer."""
    part = present[:, steps]
    shown = np.flatnonzero(part.any(axis=1))
    labels, order = label_table([series[i] for i in shown])
    rows = shown[order] if len(order) else shown
    sid, at = np.nonzero(part[rows])
    time = (np.arange(4) * 15_000).astype("datetime64[ms]")[steps][at]
    value = rows[sid] * 10.0 + np.arange(4)[steps][at] if len(sid) else np.empty(0)
    return SeriesSet(labels, sid.astype(np.int32), time, value, QUESTION)


@given(st.lists(LABELS, max_size=6, unique_by=lambda d: tuple(sorted(d.items()))), st.integers(0, 1 << 24))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_two_halves_are_the_whole(series: list[dict[str, str]], seed: int) -> None:
    present = np.random.default_rng(seed).random((len(series), 4)) < 0.6
    whole = cut(series, present, slice(0, 4))
    joined = join([cut(series, present, slice(0, 2)), cut(series, present, slice(2, 4))], QUESTION)
    assert joined.labels.to_dict("list") == whole.labels.to_dict("list")
    assert list(joined.labels.dtypes) == list(whole.labels.dtypes)
    for name in ("sid", "time", "value"):
        a, b = getattr(joined, name), getattr(whole, name)
        assert a.dtype == b.dtype
        assert a.tolist() == b.tolist()
    assert joined.query.points_expected == 4 * len(whole)


def test_what_the_parts_said_is_kept_once() -> None:
    part = SeriesSet.empty(replace(QUESTION, warnings=("w",), infos=("i",)))
    other = SeriesSet.empty(replace(QUESTION, warnings=("w", "v"), failed=("f",)))
    query = join([part, other], QUESTION).query
    assert (query.warnings, query.infos, query.failed) == (("w", "v"), ("i",), ("f",))


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(ContractError):
        join([], QUESTION)
