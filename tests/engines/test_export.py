"""VictoriaMetrics' lines, in pieces of any length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.core.series import Query, SeriesSet
from meshlab.engines import export
from meshlab.engines.export import decode_export
from meshlab.errors import Refused, TooMuch

LINES = (
    b'{"metric":{"__name__":"m","a":"],\\"values\\":[1"},"values":[1,+Inf,2.5e-7],"timestamps":[1000,2000,3000]}\n'
    b'{"metric":{"__name__":"m","a":"z"},"values":[null,-Inf],"timestamps":[1000,2000]}\n'
    b'{"metric":{"__name__":"m","a":"b"},"values":[],"timestamps":[]}\n'
    b'{"metric":{"__name__":"m","a":"z"},"values":[7,8],"timestamps":[4000,3000]}\n'
)


def decoded(*pieces: bytes, max_series: int = 100, max_samples: int = 100) -> SeriesSet:
    return decode_export(pieces, Query("m", ""), "the store", max_series=max_series, max_samples=max_samples)


@given(st.lists(st.integers(0, len(LINES)), max_size=6))
def test_lines_may_be_cut_anywhere(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LINES)]
    found = decoded(*(LINES[a:b] for a, b in pairwise(edges)))
    assert found.labels["a"].tolist() == ['],"values":[1', "b", "z"]
    assert found.sid.tolist() == [0, 0, 0, 2, 2, 2]
    assert found.value.tolist() == [1, np.inf, 2.5e-7, -np.inf, 8, 7]
    assert found.time.astype(np.int64).tolist() == [1000, 2000, 3000, 2000, 3000, 4000]
    assert "NaN were left out" in found.query.infos[0]
    assert found.query.complete


def test_a_series_in_several_batches_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_BATCH", 50)
    found = decoded(*(bytes([b]) for b in LINES))
    assert found.labels["a"].tolist() == ['],"values":[1', "b", "z"]
    assert found.value.tolist() == [1, np.inf, 2.5e-7, -np.inf, 8, 7]


def test_nothing_is_an_answer() -> None:
    assert len(decoded()) == len(decoded(b"", b"\n")) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        LINES[:-40],
        b'{"metric":{"a":7},"values":[1],"timestamps":[1]}\n',
        b'{"metric":{"a":"x"},"values":[1,2],"timestamps":[1]}\n',
        b'{"metric":{"a":"x"},"values":["1"],"timestamps":[1]}\n',
        b'{"metric":{"a":"x"},"values":[one],"timestamps":[1]}\n',
        b'{"metric":{"a":"x"},"values":[1],"timestamps":[]}\n',
        b'{"status":"success","data":{}}',
    ],
)
def test_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="did not export samples as VictoriaMetrics does"):
        decoded(body)


def test_bounds_are_kept_while_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_BATCH", 50)
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b'{"metric":{"a":"%d"},"values":[1],"timestamps":[1000]}\n' % read

    for bound in ({"max_samples": 9}, {"max_series": 9}):
        read = 0
        with pytest.raises(TooMuch):
            decode_export(endless(), Query("m", ""), "s", **{"max_series": 10**9, "max_samples": 10**9, **bound})
        assert read < 30
