"""Whatever the pieces and selectors, a recording holds what the engine holds, once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_store import START, LiveStore
from stored import read_folder

from meshlab.core.window import Window
from meshlab.errors import Unreachable
from meshlab.recordings import merging
from meshlab.recordings import recorder as module
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

NAMES = ("a", "__name__", "zone")
VALUES = ("", "x", "y", "a,b", "\n", "Z", "z", "é", "😀")
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=3)
SELECTORS = ('{all="1"}', '{all="1",a=~"x|y"}', '{zone!="z",all="1"}', '{a="",all="1"}', '{all="1",__name__!=""}')


@given(
    st.lists(LABELS, min_size=1, max_size=12),
    st.lists(st.sampled_from(SELECTORS), min_size=1, max_size=3),
    st.integers(0, 2**31),
    st.integers(1, 200),
    st.integers(1, 60),
    st.integers(0, 6),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_recording_holds_every_sample_once(
    tmp_path_factory: pytest.TempPathFactory,
    labels: list[dict[str, str]],
    selectors: list[str],
    seed: int,
    piece: int,
    at_once: int,
    stop: int,
) -> None:
    rng = np.random.default_rng(seed)
    wanted = {tuple(sorted((n, v) for n, v in one.items() if v)): one for one in labels}
    rows = []
    for one in wanted.values():
        first, last = np.sort(rng.choice(240, 2, replace=False))
        at = START + 15 * np.arange(first, last) + round(float(rng.uniform(0, 14)), 3)
        rows.append(({**one, "all": "1"}, at, rng.normal(size=last - first)))
    server = LiveStore(before=lambda asked: _stop(asked == stop))
    server.store = Recording.from_series(rows)
    window = Window((START + 600) * 1000, (START + 3_000) * 1000, 300_000)
    whole = Window((START + 300) * 1000, window.end_ms, 300_000)
    expected: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for selector in selectors:
        found = server.store.samples(selector, whole)
        for row, sid in found.labels.iterrows():
            own = found.sid == row
            pairs = zip(found.time[own].astype(np.int64).tolist(), found.value[own].tolist(), strict=True)
            expected[tuple((str(n), v) for n, v in sid.items() if v)] = list(pairs)
    if not expected:
        return
    folder = tmp_path_factory.mktemp("merging") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SAMPLES", piece)
        patch.setattr(merging, "_AT_ONCE", at_once)
        try:
            record(server, selectors, window, folder, what="")
        except Unreachable:
            server.before = lambda asked: None
            record(server, selectors, window, folder, what="")
    stored = read_folder(folder).series
    got = {}
    for row, one in stored.labels.iterrows():
        own = stored.sid == row
        pairs = zip(stored.time[own].astype(np.int64).tolist(), stored.value[own].tolist(), strict=True)
        got[tuple((str(n), v) for n, v in one.items() if v)] = list(pairs)
    assert got == expected
    names = sorted(stored.labels.columns)
    table = list(zip(*(stored.labels[name] for name in names), strict=True))
    assert table == sorted(set(table)), "sorted by labels, each once"


def _stop(now: bool) -> None:
    if now:
        raise Unreachable("nothing answers", "try again")
