"""Long questions in chunks: every point once, whatever is refused, broken or late."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.core.progress import reporting
from meshlab.core.series import Query, SeriesSet
from meshlab.engines.chunk_join import join
from meshlab.engines.chunks import Chunk, ChunkPlan, fetch_chunks
from meshlab.errors import BadQuery, Refused, TooMuch, Unreachable

STEP = 15_000


def cut(points: int, *, first: int = 7, unit: int = 10, longest: int = 40, shared_edge: bool = False) -> ChunkPlan:
    start = first * STEP
    return ChunkPlan(
        start_ms=start,
        end_ms=start + (points - 1) * STEP,
        unit_ms=unit * STEP,
        longest_ms=longest * STEP,
        shared_edge=shared_edge,
        grain_ms=STEP,
    )


def answer(chunk: Chunk, *, shared_edge: bool = False, series: int = 1) -> SeriesSet:
    time = np.arange(chunk.start_ms + (STEP if shared_edge else 0), chunk.end_ms + 1, STEP)
    labels = pd.DataFrame({"a": [str(i) for i in range(series)]}, dtype="str")
    sid = np.repeat(np.arange(series, dtype=np.int32), len(time))
    stamps = np.tile(time, series)
    return SeriesSet(labels, sid, stamps.astype("datetime64[ms]"), stamps.astype(float), Query("", ""))


def listed(chunks: list[Chunk], series: int = 1) -> Callable[[Chunk], SeriesSet]:
    """Answers, and keeps what was asked for."""

    def ask(chunk: Chunk) -> SeriesSet:
        chunks.append(chunk)
        return answer(chunk, series=series)

    return ask


def asked(how: ChunkPlan, ask: Callable[[Chunk], SeriesSet], parallel: int = 3) -> tuple[list[int], tuple[str, ...]]:
    found = fetch_chunks(how, ask, parallel=parallel, what="m")
    whole = join([part for _, part in found.parts], Query("", ""))
    return whole.time.astype(np.int64).tolist(), found.failed


@given(
    st.integers(1, 400), st.integers(0, 50), st.integers(1, 40), st.integers(40, 100), st.integers(1, 5), st.booleans()
)
def test_every_point_comes_once(
    points: int, first: int, unit: int, longest: int, parallel: int, shared_edge: bool
) -> None:
    how = cut(points + shared_edge, first=first, unit=unit, longest=longest, shared_edge=shared_edge)
    lengths = []

    def ask(chunk: Chunk) -> SeriesSet:
        lengths.append((chunk.end_ms - chunk.start_ms) // STEP)
        return answer(chunk, shared_edge=shared_edge)

    times, failed = asked(how, ask, parallel)
    assert times == list(range(how.start_ms + (STEP if shared_edge else 0), how.end_ms + 1, STEP))
    assert failed == ()
    assert max(lengths) <= longest


def test_pieces_begin_at_the_same_places_for_every_window() -> None:
    edges: list[set[int]] = []
    for first in (3, 14):
        chunks: list[Chunk] = []
        asked(cut(200 - first, first=first), listed(chunks), parallel=1)
        edges.append({chunk.end_ms for chunk in chunks})
    assert len(edges[0] & edges[1]) >= 3


def test_a_piece_that_is_too_much_is_halved() -> None:
    sizes = []

    def ask(chunk: Chunk) -> SeriesSet:
        sizes.append((chunk.end_ms - chunk.start_ms) // STEP + 1)
        if sizes[-1] > 3:
            raise TooMuch("too many samples", "")
        return answer(chunk)

    times, failed = asked(cut(64), ask)
    assert times == [STEP * i for i in range(7, 71)]
    assert failed == ()
    assert max(sizes) > 3


def test_a_single_point_that_is_too_much_says_so() -> None:
    def ask(chunk: Chunk) -> SeriesSet:
        raise TooMuch("too many samples", "fewer series")

    with pytest.raises(TooMuch, match="too many samples"):
        asked(cut(64), ask)


def test_a_piece_that_stays_broken_is_named() -> None:
    def ask(chunk: Chunk) -> SeriesSet:
        if chunk.start_ms <= 30 * STEP <= chunk.end_ms:
            raise Unreachable("the connection broke", "")
        return answer(chunk)

    times, failed = asked(cut(64), ask)
    assert failed == ("1970-01-01T00:07:30Z to 1970-01-01T00:09:45Z: the connection broke",)
    assert times == [STEP * i for i in range(7, 71) if not 30 <= i < 40]


def test_nothing_at_all_is_an_error() -> None:
    def ask(chunk: Chunk) -> SeriesSet:
        raise Unreachable("nothing answers", "is it on?")

    with pytest.raises(Unreachable, match="nothing answers"):
        asked(cut(1_000), ask)


def test_a_store_that_went_away_is_not_asked_for_ever() -> None:
    count = 0

    def ask(chunk: Chunk) -> SeriesSet:
        nonlocal count
        count += 1
        if count > 2:
            raise Refused("no", "")
        return answer(chunk)

    times, failed = asked(cut(4_000), ask, parallel=1)
    assert count == 5
    assert len(times) < 60
    assert failed[-1].endswith("1970-01-01T16:41:30Z: no"), "the rest, to the end, is named as well"


def test_a_wrong_query_is_wrong_at_once() -> None:
    count = 0

    def ask(chunk: Chunk) -> SeriesSet:
        nonlocal count
        count += 1
        raise BadQuery("no PromQL", "")

    with pytest.raises(BadQuery):
        asked(cut(4_000), ask, parallel=2)
    assert count <= 4


def test_one_piece_needs_no_thread_and_many_have_several() -> None:
    threads: set[str] = set()

    def ask(chunk: Chunk) -> SeriesSet:
        threads.add(threading.current_thread().name)
        return answer(chunk)

    asked(cut(2, first=0), ask)
    assert threads == {threading.current_thread().name}
    asked(cut(500), ask)
    assert any(name.startswith("meshlab") for name in threads)


def test_the_progress_is_told() -> None:
    told = []
    with reporting(lambda done, total, what: told.append((done, total, what))):
        asked(cut(100), answer)
    done, total, what = told[-1]
    assert done == total
    assert what == "m"
    assert [d for d, _, _ in told] == sorted(d for d, _, _ in told)
    asked(cut(100), answer)
    assert told[-1] == (done, total, what), "nobody listens any more"


def test_pieces_grow_where_answers_are_thin() -> None:
    few: list[Chunk] = []
    many: list[Chunk] = []
    asked(cut(400, longest=1_000), listed(few), parallel=1)
    asked(cut(400, longest=1_000), listed(many, series=10_000), parallel=1)
    longest_few, longest_many = (max(p.end_ms - p.start_ms for p in chunks) // STEP + 1 for chunks in (few, many))
    assert longest_many * 10_000 <= 1_000_000
    assert longest_few > longest_many > 10
