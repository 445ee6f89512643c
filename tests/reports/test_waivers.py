"""Waivers: what is waived is shown and counted, and no longer drives the verdict; nothing passes for want of data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from summaries import finding, summary
from tiny_notebooks import SHOW, written
from typer.testing import CliRunner

from meshlab.cli.app import app
from meshlab.config import load
from meshlab.core.results import Finding, Verdict, overall
from meshlab.errors import ConfigError
from meshlab.reports.metrics import exposition
from meshlab.reports.render.mail import mail
from meshlab.reports.render.message import changes, message
from meshlab.reports.run.runner import run
from meshlab.reports.sweep import sweep as sweeping
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import SweepRun, sweep
from meshlab.reports.waivers.entries import Waiver, waivers
from meshlab.reports.waivers.waiving import count_line, in_words, notes, waive

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
WHOLE = """
[[waiver]]
code = "ML-TST-001"
subject = "*/n/s"
until = 2026-12-31
reason = "known: moved in January"

[[waiver]]
code = "ML-SEC-002"
subject = "a -> b"
until = "2026-12-01T08:00:00+01:00"
reason = "a legacy client"
"""
HOSTILE = "<script>alert(1)</script> [x](javascript:1) \x1b[31m"


def told(folder: Path, text: str) -> Path:
    (folder / "meshlab.toml").write_text(text, encoding="utf-8")
    return folder


def waiver(code: str = "ML-X-003", subject: str = "*", day: int = 31, reason: str = "known") -> Waiver:
    return Waiver(code, subject, datetime(2026, 12, day, tzinfo=UTC), f"2026-12-{day:02}", reason)


def test_all_that_can_be_said(tmp_path: Path) -> None:
    first, second = waivers(load(told(tmp_path, WHOLE)))
    assert (first.code, first.subject, first.until) == ("ML-TST-001", "*/n/s", "2026-12-31")
    # A day holds to its end.
    assert first.ends == datetime(2027, 1, 1, tzinfo=UTC)
    assert (second.ends, second.until) == (datetime(2026, 12, 1, 7, tzinfo=UTC), "2026-12-01 07:00 UTC")
    assert first.holds(datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert not first.holds(first.ends)
    assert waivers(load(told(tmp_path, ""))) == ()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('code = "ML-TST-001"', "", "waiver 1 (without a code) has no code"),
        ('subject = "*/n/s"', "", "waiver 1 (ML-TST-001) has no subject"),
        ("until = 2026-12-31", "", "has no until"),
        ('reason = "a legacy client"', 'reason = ""', "reason of waiver 2 (ML-SEC-002) is empty"),
        ('reason = "a legacy client"', "reason = 3", "reason of waiver 2 (ML-SEC-002) is 3, not text"),
        ('reason = "a legacy client"', f'reason = "{"x" * 301}"', "not text of 1 to 300 characters"),
        ('code = "ML-TST-001"', 'code = "SEC-1"', "not a finding's code"),
        ('code = "ML-TST-001"', "code = 1", "not a finding's code"),
        ("until = 2026-12-31", 'until = "next year"', "neither a day nor a time with an offset"),
        ("until = 2026-12-31", 'until = "2026-13-01"', "neither a day"),
        ("until = 2026-12-31", "until = 2026-12-31T08:00:00", "neither a day nor a time with an offset"),
        ("until = 2026-12-31", "until = true", "neither a day"),
        ("until = 2026-12-31", "until = 08:00:00", "neither a day"),
        ("until = 2026-12-31", "unitl = 2026-12-31", "did you mean until"),
        ('[[waiver]]\ncode = "ML-SEC-002"', '[waivr]\ncode = "ML-SEC-002"', "did you mean waiver"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(ConfigError) as error:
        waivers(load(told(tmp_path, WHOLE.replace(old, new))))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_a_single_waiver_that_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a list of tables"):
        load(told(tmp_path, '[waiver]\ncode = "ML-SEC-002"'))


def test_a_waived_fail_falls_back_to_what_the_others_ask_for() -> None:
    # Beside the FAIL of ML-X-003 there are two WARN.
    found = waive(summary(), [waiver()], at=AT)
    assert found["verdict"] == "WARN"
    assert found["waivers"] == {"without": "FAIL", "waived": 1, "notes": [], "idle": []}
    assert found["findings"][2] == {
        **finding("ML-X-003", "FAIL"),
        "waived": {"until": "2026-12-31", "reason": "known"},
    }
    assert in_words(found) == "(FAIL without 1 waiver)"
    assert count_line(found) == "5 findings, 1 waived: ML-X-003 until 2026-12-31 (known)"
    every = [waiver(code) for code in ("ML-X-002", "ML-X-003", "ML-X-005")]
    found = waive(summary(), every, at=AT)
    assert (found["verdict"], in_words(found)) == ("PASS", "(FAIL without 3 waivers)")


def test_what_lacks_data_is_never_waived() -> None:
    lacking = [finding("ML-X-003", "FAIL"), finding("ML-X-004", "INCONCLUSIVE")]
    both = [waiver(), waiver("ML-X-004")]
    found = waive(summary(findings=lacking), both, at=AT)
    assert found["verdict"] == "INCONCLUSIVE"
    assert "waived" not in found["findings"][1]
    assert notes(found) == ["the waiver of ML-X-004 on * has no effect: what lacks data cannot be waived"]
    # A verdict that rests on more than the findings (a canary's arms that are not comparable) is not theirs to change.
    found = waive(summary("INCONCLUSIVE"), [waiver()], at=AT)
    assert (found["verdict"], in_words(found)) == ("INCONCLUSIVE", "")
    assert found["waivers"]["waived"] == 1


WORDS = ("PASS", "WARN", "FAIL", "INCONCLUSIVE", "NOT_MEASURED")


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_a_waiver_never_hides_a_finding_nor_makes_a_verdict_of_nothing(rows: list[tuple[str, bool, bool]]) -> None:
    found = [
        finding(f"ML-X-{n:03}", word, required=required and word != "NOT_MEASURED")
        for n, (word, required, _) in enumerate(rows)
    ]
    own = [
        Finding(
            code=f["code"],
            verdict=None if f["verdict"] == "NOT_MEASURED" else Verdict(f["verdict"]),
            subject="s",
            statement="said",
            required=f["required"],
        )
        for f in found
    ]
    before = overall(own).value
    known = [waiver(f"ML-X-{n:03}") for n, (_, _, covered) in enumerate(rows) if covered]
    after = waive(summary(before, findings=found), known, at=AT)
    assert [{k: v for k, v in f.items() if k != "waived"} for f in after["findings"]] == found
    assert all(f["verdict"] in ("FAIL", "WARN") for f in after["findings"] if "waived" in f)
    if before == "INCONCLUSIVE":
        assert after["verdict"] == "INCONCLUSIVE"
    left = [f for f in after["findings"] if "waived" not in f and f["required"]]
    assert (after["verdict"] == "FAIL") == any(f["verdict"] == "FAIL" for f in left)
    if any(f["verdict"] == "INCONCLUSIVE" for f in left):
        assert after["verdict"] in ("INCONCLUSIVE", "FAIL")


def test_an_expired_waiver_has_no_effect_and_is_flagged() -> None:
    late = datetime(2027, 1, 1, tzinfo=UTC)
    found = waive(summary(), [waiver()], at=late)
    assert found["verdict"] == "FAIL"
    assert found["findings"] == summary()["findings"]
    assert notes(found) == ["the waiver of ML-X-003 on * expired (2026-12-31) and has no effect: known"]
    assert "expired" in message(found, before=None)
    assert "expired" in mail(found, before=None)


def test_what_matches_nothing_or_nothing_bad_is_said() -> None:
    some = [waiver(subject="elsewhere"), waiver("ML-X-001"), waiver("ML-X-004"), waiver("ML-SEC-001")]
    found = waive(summary(), some, at=AT)
    assert found["verdict"] == "FAIL"
    # What is said of another question's findings is no matter of this one.
    assert notes(found) == [
        "the waiver of ML-X-001 on * (until 2026-12-31) is not needed: the finding is PASS",
        "the waiver of ML-X-004 on * (until 2026-12-31) is not needed: the finding is not measured",
        "the waiver of ML-X-003 on elsewhere (until 2026-12-31) matches no finding",
    ]
    assert waive(summary(), [waiver("ML-SEC-001")], at=AT) == summary()


def test_many_waivers_of_other_services_are_counted_in_a_message_and_named_on_the_page() -> None:
    known = [waiver(subject=f"a/b/other-{n}") for n in range(9)]
    found = waive(summary(), known, at=AT)
    assert "9 waivers match no finding of this report" in message(found, before=None)
    assert "other" not in message(found, before=None)
    assert "a/b/other-8" in mail(found, before=None)
    late = waive(summary(), known, at=datetime(2027, 1, 1, tzinfo=UTC))
    assert "the report has 6 more notes on waivers" in message(late, before=None)
    assert len(message(late, before=None).splitlines()) <= 12


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("s", True),
        ("a/b/c", True),
        ("a/*", True),
        ("S", False),
        ("?", True),
        ("[s]", False),
        ("*/c", True),
        ("b", False),
    ],
)
def test_a_subject_is_the_findings_or_the_reports(pattern: str, covered: bool) -> None:
    found = waive(summary(), [waiver(subject=pattern)], at=AT)
    assert ("waived" in found["findings"][2]) is covered


def test_messages_mails_and_metrics_tell_of_it() -> None:
    found = waive(summary(), [waiver(reason=HOSTILE), waiver("ML-X-009")], at=AT)
    text = message(found, before=summary())
    lines = text.splitlines()
    assert len(lines) <= 12
    assert lines[0] == "▲ **WARN** (FAIL without 1 waiver) canary: a/b/c"
    assert [line.split()[2] for line in lines if line.startswith("- ")] == ["ML-X-005", "ML-X-002", "waived:"]
    assert "5 findings, 1 waived: ML-X-003 until 2026-12-31" in text
    assert "matches no finding" in text
    assert "<script" not in text
    assert "](" not in text
    page = BeautifulSoup(mail(found, before=None), "html.parser")
    assert "▲ WARN (FAIL without 1 waiver)" in page.text
    assert "✖ FAIL, waived" in page.text
    assert not page.select("script")
    assert changes(found, summary())[:2] == ["was FAIL in the previous report", "ML-X-003 is waived"]
    assert changes(summary(), found)[1] == "ML-X-003 is no longer waived"
    numbers = exposition(found, notebook="n", seconds=1, at_s=1)
    assert 'subject="a/b/c",verdict="FAIL"} 0' in numbers
    assert 'meshlab_findings_waived{notebook="n",question="canary",subject="a/b/c"} 1' in numbers


def test_a_report_is_written_with_its_waivers(tmp_path: Path) -> None:
    path = written(tmp_path, SHOW)
    told(tmp_path, WHOLE)
    done = run(path, parameters={}, out=Path("out"), cwd=tmp_path, clock=lambda: AT)
    assert done.verdict is Verdict.PASS
    saved = json.loads((tmp_path / "out/result.json").read_text())
    assert saved["waivers"] == {"without": "FAIL", "waived": 1, "notes": [], "idle": []}
    page = BeautifulSoup((tmp_path / "out/report.html").read_text(), "html.parser")
    assert page.select_one(".word").text == "✔PASS (FAIL without 1 waiver)"  # type: ignore[union-attr]
    row = page.select_one(".findings .waived")
    assert row is not None
    assert "✖ FAIL" in row.text
    assert "Waived until 2026-12-31: known: moved in January" in row.text
    assert "1 finding, 1 waived" in page.select_one(".waivers").text  # type: ignore[union-attr]
    assert "ML-SEC-002" not in page.text
    late = run(path, parameters={}, out=Path("out"), cwd=tmp_path, clock=lambda: datetime(2027, 1, 1, tzinfo=UTC))
    assert late.verdict is Verdict.FAIL
    assert "expired" in (tmp_path / "out/report.html").read_text()


def test_the_command_exits_by_what_is_left_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, SHOW)
    monkeypatch.chdir(tmp_path)
    told(tmp_path, WHOLE.replace("2026-12-31", "9999-12-30"))
    done = CliRunner().invoke(app, ["report", "./tiny.ipynb"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS (FAIL without 1 waiver)  tiny  ")
    told(tmp_path, WHOLE.replace("2026-12-31", "2020-01-01"))
    assert CliRunner().invoke(app, ["report", "./tiny.ipynb"]).exit_code == 10


def test_a_wrong_waiver_stops_before_anything_runs(tmp_path: Path) -> None:
    path = written(tmp_path, "raise Exception('it ran')")
    told(tmp_path, WHOLE.replace("2026-12-31", '"soon"'))
    with pytest.raises(ConfigError, match="until of waiver 1"):
        run(path, parameters={}, out=Path("out"), cwd=tmp_path)


def test_a_bracket_is_a_bracket() -> None:
    assert waiver(subject="[a]*").covers("ML-X-003", "[a] b")
    assert not waiver(subject="[a]").covers("ML-X-003", "a")


WAIVED = """
[[waiver]]
code = "{code}"
subject = "*/{service}"
until = 2026-12-31
reason = "known"
"""
HARMS = ["ML-CAN-001", "ML-CAN-002", "ML-CAN-008"]
CATALOG = "".join(WAIVED.format(code=code, service="catalog") for code in HARMS)
CATALOG += WAIVED.format(code="ML-CAN-003", service="catalogue")


def swept(folder: Path, **more: Any) -> SweepRun:
    for name in ("data", "notebooks"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    usual: dict[str, Any] = {"executor": executors("threads", 1), "parameters": {"baseline": "v1", "canary": "v2"}}
    return sweep(
        "canary", source="canary-regression", out=Path("out"), cwd=folder, clock=lambda: AT, **{**usual, **more}
    )


def test_a_sweep_waives_and_shows_it_everywhere(tmp_path: Path) -> None:
    before = swept(told(tmp_path, ""))
    row = next(r for r in before.records if r["service"] == "catalog")
    failing = [f["code"] for f in row["result"]["findings"] if f["verdict"] == "FAIL"]
    assert failing == HARMS
    done = swept(told(tmp_path, CATALOG))
    row = next(r for r in done.records if r["service"] == "catalog")
    assert row["result"]["waivers"]["without"] == "FAIL"
    assert row["verdict"] == "PASS"
    note = "the waiver of ML-CAN-003 on */catalogue (until 2026-12-31) matches no finding"
    assert (done.waived, list(done.notes)) == (3, [note])
    table = pd.read_parquet(done.folder / "results.parquet").set_index("service").loc["catalog"]
    assert (table["waived"], table["without_waivers"], table["failing"]) == (", ".join(HARMS), "FAIL", "")
    # What a waiver alone lets pass keeps its page, and is said on the index.
    page = BeautifulSoup((done.folder / table["page"]).read_text(), "html.parser")
    assert "(FAIL without 3 waivers)" in page.text
    assert "catalogue" not in page.text
    index = BeautifulSoup(done.index.read_text(), "html.parser")
    assert "(FAIL without 3 waivers)" in index.text
    assert note in index.text
    assert "ML-CAN-001 until 2026-12-31 (known)" in index.text


def test_a_stopped_sweep_does_not_go_on_under_other_waivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweeping.folder, "write_table", stop)
        with pytest.raises(KeyboardInterrupt):
            swept(told(tmp_path, ""))
    done = swept(told(tmp_path, CATALOG))
    assert done.resumed == 0
    assert "FAIL" not in [row["verdict"] for row in done.records]
