"""A recording that was stopped goes on, and does not tell that it was."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from live_store import START, LiveStore, memory, stops_at
from stored import read_folder

from meshlab.core.series import SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import LOOKBACK_MS
from meshlab.errors import Incomplete, ParameterError, RecordingError, TooMuch, Unreachable
from meshlab.recordings import recorder as module
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.pieces import JOURNAL, WorkFolder, work_folder
from meshlab.recordings.recorder import record

WINDOW = Window((START + 600) * 1000, (START + 24_600) * 1000, 600_000)
SELECTORS = ["up", '{__name__=~"up|late"}', "nothing"]
FILES = ("samples.parquet", "series.parquet")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    return contents(record(LiveStore(), SELECTORS, WINDOW, tmp_path / "whole", what=""))


def test_pieces_share_no_sample_and_leave_no_gap(tmp_path: Path) -> None:
    server = LiveStore()
    out = record(server, SELECTORS, WINDOW, tmp_path / "shop", what="")
    lead = WINDOW.with_lead(LOOKBACK_MS)
    for selector in SELECTORS:
        spans = [(start, end) for who, start, end in server.asked if who == selector]
        assert len(spans) > 1
        assert (spans[0][0], spans[-1][1]) == (lead.start_ms, lead.end_ms)
        assert all(one[1] == two[0] for one, two in pairwise(spans))
        assert all(end % 60_000 == 0 for _, end in spans)
    stored = read_folder(out).series
    wanted = memory().samples('{__name__=~"up|late"}', lead)
    assert stored.labels.to_dict("list") == wanted.labels.to_dict("list")
    assert stored.value.tobytes() == wanted.value.tobytes()
    assert (stored.time == wanted.time).all()
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize("samples", [70, 3_000])
def test_how_it_was_cut_leaves_no_trace(
    tmp_path: Path, whole: dict[str, bytes], samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAMPLES", samples)
    server = LiveStore()
    assert contents(record(server, SELECTORS, WINDOW, tmp_path / "shop", what="")) == whole


@pytest.mark.parametrize("error", [Unreachable("nothing answers", "try again"), KeyboardInterrupt()])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_the_same_command_goes_on(tmp_path: Path, whole: dict[str, bytes], number: int, error: BaseException) -> None:
    out = tmp_path / "shop"
    first = LiveStore(before=stops_at(number, error))
    with pytest.raises(type(error)) as caught:
        record(first, SELECTORS, WINDOW, out, what="")
    if isinstance(error, Unreachable):
        assert "kept in" in str(caught.value)
        assert "run the same command again" in str(caught.value)
    assert not out.exists()
    with pytest.raises(RecordingError, match=r"no recording at .*; one was begun there: run its command again"):
        read_folder(out)
    with pytest.raises(RecordingError, match=r"shop\.partial is an unfinished recording"):
        read_folder(work_folder(out))
    second = LiveStore()
    record(second, SELECTORS, WINDOW, out, what="")
    assert not set(first.asked) & set(second.asked), "nothing is fetched twice"
    assert contents(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop", "whole"]


def test_a_failure_of_the_first_piece_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"^nothing answers; try again$"):
        record(
            LiveStore(before=stops_at(0, Unreachable("nothing answers", "try again"))),
            ["up"],
            WINDOW,
            tmp_path / "shop",
            what="",
        )
    assert list(tmp_path.iterdir()) == []


def test_what_is_incomplete_keeps_the_pieces_before_it(tmp_path: Path, whole: dict[str, bytes]) -> None:
    server = LiveStore()

    def later(asked: int) -> None:
        if asked == 3:
            server.said = {"failed": ("store-2 is down",)}

    server.before = later
    with pytest.raises(Incomplete, match=r"partial result: store-2 is down; .*run the same command again"):
        record(server, SELECTORS, WINDOW, tmp_path / "shop", what="")
    again = LiveStore()
    record(again, SELECTORS, WINDOW, tmp_path / "shop", what="")
    assert set(server.asked) & set(again.asked) == {server.asked[-1]}, "the broken piece, and no other"
    assert contents(tmp_path / "shop") == whole


def test_the_window_of_the_first_run_is_kept_when_the_same_is_typed(tmp_path: Path) -> None:
    out = tmp_path / "shop"
    first = LiveStore(before=stops_at(2, Unreachable("gone", "")))
    with pytest.raises(Unreachable):
        record(first, ["up"], WINDOW, out, what="", resume_key="-400m to now")
    second = LiveStore()
    second.clock += 900
    later = Window(WINDOW.start_ms + 600_000, WINDOW.end_ms + 600_000, WINDOW.step_ms)
    record(second, ["up"], later, out, what="", resume_key="-400m to now")
    manifest = read_manifest(out)
    assert manifest["window"] == {"start": WINDOW.start.isoformat(), "end": WINDOW.end.isoformat()}
    assert manifest["recorded"] == first.now().isoformat(), "when it began"
    record(LiveStore(), ["up"], WINDOW, tmp_path / "whole", what="")
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"selectors": ["up", "down"]}, "its selectors differ"),
        ({"window": Window(WINDOW.start_ms, WINDOW.end_ms + 600_000, 600_000)}, "its source or window differ"),
        ({"redact": ["job"]}, "its redacted labels differ"),
        ({"resume_key": "-1h"}, "its source or window differ"),
        ({"selectors": ["down"], "redact": ["job"]}, "its selectors and redacted labels differ"),
    ],
)
def test_another_command_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    asked = {"selectors": SELECTORS, "window": WINDOW}
    first = LiveStore(before=stops_at(2, Unreachable("gone", "")))
    with pytest.raises(Unreachable):
        record(first, **asked, out=tmp_path / "shop", what="", command="meshlab record -o shop")  # type: ignore[arg-type]
    before = {path.name: path.read_bytes() for path in work_folder(tmp_path / "shop").iterdir()}
    with pytest.raises(
        ParameterError, match=rf"another command \({says}\); run that one again \(meshlab record -o shop\)"
    ):
        record(LiveStore(), **asked | change, out=tmp_path / "shop", what="")  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in work_folder(tmp_path / "shop").iterdir()} == before


def test_another_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        record(LiveStore(before=stops_at(2, Unreachable("gone", ""))), ["up"], WINDOW, tmp_path / "shop", what="")
    other = LiveStore()
    other.description = "Prometheus 2.42.0 at http://elsewhere:9090"
    with pytest.raises(ParameterError, match="its source differ"):
        record(other, ["up"], WINDOW, tmp_path / "shop", what="")
    newer = LiveStore()
    newer.description = "Prometheus 3.1.0 at http://prometheus.internal:9090"
    record(newer, ["up"], WINDOW, tmp_path / "shop", what="")


@pytest.mark.parametrize("name", ["*-*-*.parquet", "labels-*.parquet", "*-*-*.json"])
@pytest.mark.parametrize("how", ["cut", "gone", "flipped"])
def test_a_damaged_piece_is_fetched_again(tmp_path: Path, whole: dict[str, bytes], name: str, how: str) -> None:
    first = LiveStore(before=stops_at(4, Unreachable("gone", "")))
    with pytest.raises(Unreachable):
        record(first, SELECTORS, WINDOW, tmp_path / "shop", what="")
    victim = sorted(work_folder(tmp_path / "shop").glob(name))[0]
    body = bytearray(victim.read_bytes())
    body[len(body) // 3] ^= 4
    if how == "gone":
        victim.unlink()
    else:
        victim.write_bytes(body if how == "flipped" else body[:-7])
    second = LiveStore()
    record(second, SELECTORS, WINDOW, tmp_path / "shop", what="")
    assert set(first.asked) & set(second.asked)
    assert contents(tmp_path / "shop") == whole


def test_a_piece_that_is_too_much_is_halved(tmp_path: Path, whole: dict[str, bytes]) -> None:
    server = LiveStore(most=250)
    assert contents(record(server, SELECTORS, WINDOW, tmp_path / "shop", what="")) == whole
    assert min(end - start for who, start, end in server.asked if who != "nothing") == 300_000
    assert max(end - start for who, start, end in server.asked if who == "up") == 900_000, "20 minutes hold 250 samples"
    with pytest.raises(TooMuch, match=r"^the answer is too long; ask for less$"):
        record(LiveStore(most=3), ["up"], WINDOW, tmp_path / "never", what="")
    assert not work_folder(tmp_path / "never").exists()


def test_only_one_process_works_on_a_recording(tmp_path: Path) -> None:
    with (
        WorkFolder.held(work_folder(tmp_path / "shop")),
        pytest.raises(ParameterError, match="another process is recording in"),
    ):
        record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")
    record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    other = work_folder(tmp_path / "shop")
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ParameterError, match=r"shop\.partial holds something other"):
        record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")
    assert (other / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "left",
    [
        [],
        ["lock"],
        ["lock", ".journal.json.0123abcd"],
        ["lock", "000-1769861100000-1769861400000.json", "000-1769861100000-1769861400000.parquet"],
        ["lock", ".000-1769861100000-1769861400000.json.0123abcd", "000-1769861100000-1769861400000.new"],
        ["lock", f"labels-{'0' * 64}.parquet", "labels.new"],
    ],
)
def test_a_run_killed_before_its_journal_or_after_it_is_in_nobodys_way(tmp_path: Path, left: list[str]) -> None:
    work = work_folder(tmp_path / "shop")
    work.mkdir()
    for name in left:
        (work / name).write_text("half")
    record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    work = work_folder(tmp_path / "shop")
    work.mkdir()
    (work / JOURNAL).write_text("{")
    with pytest.raises(RecordingError, match=r"journal\.json is damaged; delete .*shop\.partial and record again"):
        record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")


def test_a_journal_without_a_piece_binds_nobody(tmp_path: Path) -> None:
    work = work_folder(tmp_path / "shop")
    with WorkFolder.held(work) as held:
        held.begin({"asked": {"source": "another"}, "command": ""})
    record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")
    assert not work.exists()


def test_what_a_killed_run_left_beside_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".shop.0123abcd.new").mkdir()
    (tmp_path / ".shop.0123abcd.new" / "samples.parquet").write_bytes(b"half")
    (tmp_path / ".shop.new").mkdir()
    (tmp_path / ".shop2.0123abcd.new").mkdir()
    record(LiveStore(), ["up"], WINDOW, tmp_path / "shop", what="")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".shop.new", ".shop2.0123abcd.new", "shop"]


def test_warnings_of_pieces_before_the_kill_are_kept(tmp_path: Path) -> None:
    first = LiveStore(before=stops_at(2, Unreachable("gone", "")))
    first.said = {"warnings": ("store-2 is slow",)}
    with pytest.raises(Unreachable):
        record(first, ["up"], WINDOW, tmp_path / "shop", what="")
    second = LiveStore()
    second.said = {"warnings": ("store-3 is slow",)}
    record(second, ["up"], WINDOW, tmp_path / "shop", what="")
    assert read_manifest(tmp_path / "shop")["warnings"] == ["store-2 is slow", "store-3 is slow"]


def test_samples_outside_of_what_was_asked_for_are_left_out(tmp_path: Path) -> None:
    class Generous(LiveStore):
        def samples(self, selector: str, window: Span) -> SeriesSet:
            wide = Span(window.start_ms - 600_000, window.end_ms + 600_000)
            found = super().samples(selector, wide)
            backwards = np.lexsort((-found.time.astype(np.int64), found.sid))
            return replace(found, time=found.time[backwards], value=found.value[backwards])

    record(LiveStore(), ["up"], WINDOW, tmp_path / "one", what="")
    record(Generous(), ["up"], WINDOW, tmp_path / "two", what="")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_progress_is_told_and_ends_at_the_whole(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    record(LiveStore(), ["up", "late"], WINDOW, tmp_path / "shop", what="", progress=lambda *x: told.append(x))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert {total for _, total, _ in told} == {2 * 405}, "minutes of each selector"
    assert told[0][0] == 0
    assert told[-1] == (810, 810, "writing, 100%")
    assert {what.split(",")[0] for _, _, what in told} == {"up", "late", "writing"}


def test_the_key_of_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        record(LiveStore(before=stops_at(2, Unreachable("gone", ""))), ["up"], WINDOW, tmp_path / "shop", what="")
    journal = work_folder(tmp_path / "shop") / JOURNAL
    assert journal.stat().st_mode & 0o077 == 0
    assert len(json.loads(journal.read_text())["key"]) == 64
