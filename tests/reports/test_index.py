"""The page over all runs: the worst first, the newest first, and nothing that breaks out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from meshlab.errors import ParameterError
from meshlab.reports.index import write_index

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"


def write(folder: Path, verdict: str, hour: int, *, subject: str = "a/b/c", page: bool = True, **more: Any) -> None:
    folder.mkdir(parents=True)
    window = f"2026-11-24T00:00:00Z to 2026-11-24T{hour:02}:00:00Z, step 15s"
    base = {"schema": "meshlab.result/2", "question": "canary", "subject": subject, "verdict": verdict}
    found = {**base, "headline": f"said at {hour}", "window": window, **more}
    name = "record.json" if found["schema"] == "meshlab.swept/1" else "result.json"
    (folder / name).write_text(json.dumps(found), encoding="utf-8")
    if page:
        (folder / "report.html").write_text("a page", encoding="utf-8")


def read(folder: Path) -> BeautifulSoup:
    return BeautifulSoup(write_index(folder).read_text(encoding="utf-8"), "html.parser")


def test_each_subject_has_its_verdicts_newest_first_and_links(tmp_path: Path) -> None:
    write(tmp_path / "z", "PASS", 1)
    write(tmp_path / "deep" / "a b", "FAIL", 3)
    write(tmp_path / "y", "WARN", 2, page=False)
    write(tmp_path / "other", "PASS", 2, subject="a/b/d")
    page = read(tmp_path)
    first, second = page.select("article")
    assert "a/b/c" in first.h2.text  # type: ignore[union-attr]
    assert "changed" in first.h2.text  # type: ignore[union-attr]
    assert "changed" not in second.h2.text  # type: ignore[union-attr]
    assert first.p.text == "said at 3"  # type: ignore[union-attr]
    assert [li.text.split()[1] for li in first.select("li")] == ["FAIL", "WARN", "PASS"]
    assert [a["href"] for a in first.select("a")] == ["deep/a%20b/report.html", "z/report.html"]
    assert next(time["datetime"] for time in first.select("time")) == "2026-11-24T03:00:00Z"
    assert [li.text.split()[1:] for li in page.select(".counts li")] == [["1", "FAIL"], ["1", "PASS"]]


def test_errors_and_what_was_not_measured_are_shown(tmp_path: Path) -> None:
    swept = {"schema": "meshlab.swept/1"}
    write(tmp_path / "run" / "1", "ERROR", 1, subject="a/b/e", page=False, error="it broke", **swept)
    write(tmp_path / "run" / "2", "NOT_MEASURED", 1, subject="a/b/n", page=False, error="", **swept)
    page = read(tmp_path)
    assert [article.p.text for article in page.select("article")] == ["it broke", "said at 1"]  # type: ignore[union-attr]
    assert "NOT MEASURED" in page.text


WAIVED = {
    "findings": [
        {
            "code": "ML-CAN-001",
            "verdict": "FAIL",
            "subject": "a/b/c",
            "waived": {"until": "2026-12-31", "reason": "known"},
        },
        {"code": "ML-CAN-002", "verdict": "PASS", "subject": "a/b/c"},
    ],
    "waivers": {"without": "FAIL", "waived": 1, "notes": ["the waiver of ML-CAN-003 on * expired"]},
}


def test_sweeps_and_reports_of_one_folder_stand_together_in_the_order_of_time(tmp_path: Path) -> None:
    swept = {"schema": "meshlab.swept/1", "error": ""}
    write(
        tmp_path / "sweep/canary-1/subjects/c", "FAIL", 1, page=False, **swept, result={"findings": []}, owner="team-a"
    )
    write(tmp_path / "catalog/20261124T020000Z", "FAIL", 2)
    write(tmp_path / "sweep/canary-3/subjects/c", "PASS", 3, **swept, result=WAIVED, owner="team-a")
    # A sweep keeps a report's own result beside its row: it is one run.
    (tmp_path / "sweep/canary-3/subjects/c/result.json").write_text(
        json.dumps({"schema": "meshlab.result/2", "question": "canary", "subject": "a/b/c", "verdict": "FAIL"})
    )
    late = "2026-11-24T00:00:00Z to 2026-11-24T03:00:00.500Z, step 15s"
    write(tmp_path / "again", "WARN", 3, **{**WAIVED, "window": late})
    (article,) = read(tmp_path).select("article")
    told = [" ".join(li.text.split()) for li in article.select("li")]
    assert told == [
        "▲ WARN (FAIL without 1 waiver) 24 Nov 2026, 03:00:00.5 UTC",
        "✔ PASS (FAIL without 1 waiver) 24 Nov 2026, 03:00 UTC",
        "✖ FAIL 24 Nov 2026, 02:00 UTC",
        "✖ FAIL 24 Nov 2026, 01:00 UTC",
    ]
    assert [p.text for p in article.select(".waiver")] == [
        "2 findings, 1 waived: ML-CAN-001 until 2026-12-31 (known)",
        "the waiver of ML-CAN-003 on * expired",
    ]
    assert "(FAIL without 1 waiver)" in article.h2.text  # type: ignore[union-attr]


def test_what_the_last_sweep_of_a_question_says_of_waivers_is_said_once(tmp_path: Path) -> None:
    for name, notes in (("canary-1", ["old"]), ("canary-2", [HOSTILE]), ("scaling-1", ["other"])):
        write(tmp_path / name / "subjects/c", "PASS", 1, schema="meshlab.swept/1", error="", subject=name)
        (tmp_path / name / "waivers.json").write_text(json.dumps(notes))
    page = read(tmp_path)
    assert [p.text for p in page.select(".waiver")] == ["<img src=x onerror=alert(1)> [31m", "other"]


def test_hostile_names_stay_text_and_nothing_is_loaded(tmp_path: Path) -> None:
    write(tmp_path / "a", "FAIL", 1, subject=HOSTILE, headline=HOSTILE, question=HOSTILE)
    page = read(tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not page.select("img, script, [onerror], link[rel=stylesheet]")
    assert "\x1b" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_half_written_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a", "PASS", 1)
    write(tmp_path / ".b.new", "FAIL", 2)
    odd = '{"schema": "meshlab.result/2", "verdict": "FAIL", '
    for name, content in (
        ("c", "{"),
        ("d", "[]"),
        ("e", '{"schema": "other/1", "verdict": "FAIL"}'),
        ("f", odd + '"findings": 3}'),
        ("g", odd + '"findings": ["x"]}'),
        ("h", odd + '"findings": [{"waived": 1}]}'),
        ("k", odd + '"subject": "a/b/c", "question": "canary", "window": "x to 2026-99-99T00:00:00Z"}'),
        ("i", odd + '"findings": [], "waivers": "x"}'),
        ("l", odd + '"findings": [], "waivers": {"waived": "x"}}'),
        ("j", odd + '"findings": [], "waivers": {"notes": 1}}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(content, encoding="utf-8")
    (article,) = read(tmp_path).select("article")
    # The one that cannot be dated is the oldest.
    assert [li.text.split()[1] for li in article.select("li")] == ["PASS", "FAIL"]


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ParameterError, match="name the folder"):
            write_index(folder)


def test_runs_of_the_form_before_stay_in_the_index(tmp_path: Path) -> None:
    informs = {"code": "ML-CAN-004", "verdict": "PASS", "required": False, "advice": ""}
    write(tmp_path / "old", "PASS", 1, schema="meshlab.result/1", findings=[informs])
    write(tmp_path / "new", "FAIL", 2)
    (article,) = read(tmp_path).select("article")
    assert [li.text.split()[1] for li in article.select("li")] == ["FAIL", "PASS"]
