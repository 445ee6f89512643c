"""A sweep on a timer: kept, counted, and told of service by service."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ears import listening
from typer.testing import CliRunner

from meshlab.cli.app import app
from meshlab.config import load
from meshlab.errors import ParameterError
from meshlab.reports.schedules.cron import Cron
from meshlab.reports.schedules.entries import Kind, On, Receiver, Scheduled, Sweep, named
from meshlab.reports.schedules.notifications import notify
from meshlab.reports.schedules.sweep_notification import NotificationState, SweepNotification
from meshlab.reports.schedules.sweeping import states_before, sweep_once
from meshlab.reports.sweep.judging import folder_of

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOSTILE = "<!channel> & \x1b[31m\nnew"
REPORT = Scheduled("canaries", "", Cron("*/5 * * * *"), sweep=Sweep(question="canary", source="prod"))


def row(subject: str, verdict: str, **more: Any) -> dict[str, Any]:
    base = {"subject": subject, "verdict": verdict, "headline": f"{subject} is {verdict}", "page": True, "error": ""}
    return {**base, **more}


def news(before: dict[str, NotificationState], *rows: dict[str, Any], error: str = "") -> SweepNotification:
    return SweepNotification(REPORT, AT, "canaries/canary-20261127T120000Z", None if error else rows, before, error)


def alerts(given: SweepNotification) -> dict[tuple[str, str], bool]:
    """Which fire, by subject and verdict; those that end are False."""
    with listening() as (url, heard):
        notify(Receiver(name="oncall", kind=Kind.ALERTMANAGER, url=url), given)
    now = AT.isoformat(timespec="milliseconds")
    return {(a["labels"].get("subject", ""), a["labels"].get("verdict", "ERROR")): a["endsAt"] > now for a in heard[0]}


def test_each_service_has_an_alert_of_its_own() -> None:
    before = {
        "a": NotificationState("FAIL"),
        "b": NotificationState("FAIL"),
        "c": NotificationState("WARN"),
        "gone": NotificationState("FAIL"),
        "ill": NotificationState("FAIL"),
        "well": NotificationState("WARN", failed=True),
    }
    rows = [row("a", "FAIL"), row("b", "PASS"), row("c", "FAIL"), row("d", "INCONCLUSIVE"), row("e", "NOT_MEASURED")]
    rows += [row("ill", "ERROR", error="it broke"), row("well", "PASS"), row("f", "PASS")]
    assert alerts(news(before, *rows)) == {
        ("", "ERROR"): False,
        ("a", "FAIL"): True,
        ("b", "FAIL"): False,
        ("c", "FAIL"): True,
        ("c", "WARN"): False,
        ("d", "INCONCLUSIVE"): True,
        ("gone", "FAIL"): False,
        # Nothing is known of this one: what fired goes on.
        ("ill", "ERROR"): True,
        ("ill", "FAIL"): True,
        ("well", "WARN"): False,
        ("well", "ERROR"): False,
    }


def test_a_sweep_that_judged_nobody_ends_nothing() -> None:
    before = {"a": NotificationState("FAIL"), "b": NotificationState("PASS"), "c": NotificationState("", failed=True)}
    assert alerts(news(before, error="the store cannot be reached")) == {
        ("", "ERROR"): True,
        ("a", "FAIL"): True,
        ("c", "ERROR"): True,
    }


@pytest.mark.parametrize(
    ("before", "rows", "told"),
    [
        ({}, [row("a", "PASS"), row("b", "NOT_MEASURED")], False),
        ({}, [row("a", "FAIL")], True),
        ({"a": NotificationState("FAIL")}, [row("a", "FAIL")], False),
        ({"a": NotificationState("FAIL")}, [row("a", "PASS")], True),
        # A canary that came to its end well is nothing to be called for.
        ({"a": NotificationState("PASS")}, [row("a", "NOT_MEASURED")], False),
        ({"a": NotificationState("FAIL")}, [row("a", "NOT_MEASURED")], True),
        ({"a": NotificationState("PASS")}, [row("a", "ERROR")], True),
        ({"a": NotificationState("PASS", failed=True)}, [row("a", "ERROR")], False),
        ({"a": NotificationState("PASS", failed=True)}, [row("a", "PASS")], True),
    ],
)
def test_people_are_told_of_services_that_changed(
    before: dict[str, NotificationState], rows: list[Any], told: bool
) -> None:
    with listening() as (url, heard):
        assert notify(Receiver(name="chat", kind=Kind.SLACK, url=url), news(before, *rows)) is told
        assert len(heard) == told
        assert notify(Receiver(name="chat", kind=Kind.SLACK, url=url, on=On.ALWAYS), news(before, *rows))


def test_a_chat_hears_counts_and_changes_and_calls_nobody() -> None:
    rows = [row(f"s{n:02}", "FAIL", headline=HOSTILE, owner="team-<a>") for n in range(25)] + [row("x", "PASS")]
    with listening() as (url, heard):
        notify(
            Receiver(name="chat", kind=Kind.SLACK, url=url, link="https://r.example.org"),
            news({"s00": NotificationState("WARN")}, *rows),
        )
    lines = heard[0]["text"].splitlines()
    assert lines[0] == "✖ *FAIL* canaries: 25 FAIL, 1 PASS"
    assert lines[1] == "✖ s00 (team-&lt;a&gt;) was WARN, is FAIL: &lt;!channel&gt; &amp;  [31m new"
    assert lines[-2:] == ["and 5 more", "<https://r.example.org/canaries/index.html|the index>"]
    assert len(lines) == 23


def test_a_webhook_gets_the_changes_with_their_pages() -> None:
    with listening() as (url, heard):
        to = Receiver(name="hook", kind=Kind.WEBHOOK, url=url, link="https://r.example.org")
        notify(to, news({"a/b/c": NotificationState("PASS")}, row("a/b/c", "FAIL", owner="team-a"), row("d", "PASS")))
    page = f"canaries/canary-20261127T120000Z/subjects/{folder_of('a/b/c')}/report.html"
    assert heard == [
        {
            "schema": "meshlab.news/1",
            "report": "canaries",
            "at": "2026-11-27T12:00:00.000+00:00",
            "verdict": "FAIL",
            "counts": {"FAIL": 1, "PASS": 1},
            "changed": [
                {
                    "subject": "a/b/c",
                    "verdict": "FAIL",
                    "before": "PASS",
                    "headline": "a/b/c is FAIL",
                    "owner": "team-a",
                    "link": f"https://r.example.org/{page}",
                }
            ],
            "error": "",
            "link": "https://r.example.org/canaries/index.html",
        }
    ]


def kept(folder: Path, time: str, **verdicts: str) -> None:
    run = folder / f"canary-{time}"
    run.mkdir(parents=True)
    frame = pd.DataFrame({"subject": [*verdicts], "verdict": [*verdicts.values()], "owner": "o", "question": "canary"})
    frame.to_parquet(run / "results.parquet")


def test_what_was_found_is_known_through_runs_that_could_not_judge(tmp_path: Path) -> None:
    kept(tmp_path, "20261127T100000Z", a="FAIL", b="PASS", gone="FAIL")
    kept(tmp_path, "20261127T110000Z", a="ERROR", b="WARN", new="ERROR")
    kept(tmp_path, "20261127T120000Z", a="ERROR", b="PASS", new="ERROR")
    assert states_before(tmp_path, "canary") == {
        "a": NotificationState("FAIL", "o", failed=True),
        "b": NotificationState("PASS", "o"),
        "new": NotificationState("", "o", failed=True),
    }
    assert states_before(tmp_path, "scaling") == {}


TOML = """
[[report]]
name = "canaries"
sweep = "canary"
source = "canary-regression"
parameters = { baseline = "v1", canary = "v2" }
executor = "threads"
jobs = 1
cron = "*/5 * * * *"
keep = 2
notify = ["oncall", "hook"]

[notify.oncall]
kind = "alertmanager"
url_env = "EAR"

[notify.hook]
kind = "webhook"
url_env = "EAR"
"""
WAIVED = '[[waiver]]\ncode = "ML-CAN-00{n}"\nsubject = "*"\nuntil = 2026-12-31\nreason = "known"\n'


def test_a_sweep_runs_is_kept_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    own = tmp_path / "out/canaries"
    for hour in ("08", "09"):
        kept(own, f"20200101T{hour}0000Z", x="PASS")
    stale = own / ".canary-20200101T100000Z.partial/subjects"
    stale.mkdir(parents=True)
    os.utime(stale, (0, 0))
    with listening() as (url, heard):
        monkeypatch.setenv("EAR", url)
        (tmp_path / "meshlab.toml").write_text(TOML)
        once = sweep_once(named(load(tmp_path), "canaries"), out=Path("out"), cwd=tmp_path, clock=lambda: AT)
        assert once.delivery.notified == ("oncall", "hook")
        assert (once.words.count("FAIL"), once.swept.folder.parent.resolve()) == (1, own.resolve())
        runs = sorted(p.name for p in own.iterdir() if p.is_dir())
        assert len(runs) == 2
        assert runs[0] == "canary-20200101T090000Z"
        text = (tmp_path / "out/canaries.prom").read_text()
        assert 'meshlab_subjects{report="canaries",question="canary",verdict="FAIL"} 1\n' in text
        assert 'meshlab_report_last_run_timestamp_seconds{report="canaries",question="canary"}' in text
        (fired,) = [a["labels"] for a in heard[0] if a["labels"].get("verdict")]
        assert fired["subject"] == "Kubernetes/shop/catalog"
        assert [change["verdict"] for change in heard[1]["changed"]] == ["FAIL"]
        # The same again is no news for people; then somebody waives what fails, and both are told of the end.
        again = sweep_once(named(load(tmp_path), "canaries"), out=Path("out"), cwd=tmp_path, clock=lambda: AT)
        assert again.delivery.notified == ("oncall",)
        (tmp_path / "meshlab.toml").write_text(TOML + "".join(WAIVED.format(n=n) for n in (1, 2, 8)))
        waived = sweep_once(named(load(tmp_path), "canaries"), out=Path("out"), cwd=tmp_path, clock=lambda: AT)
        assert waived.delivery.notified == ("oncall", "hook")
        assert waived.words.count("FAIL") == 0
    ended = {a["labels"].get("verdict", "ERROR"): a["endsAt"] for a in heard[-2]}
    assert ended == {"ERROR": AT.isoformat(timespec="milliseconds"), "FAIL": AT.isoformat(timespec="milliseconds")}
    (change,) = heard[-1]["changed"]
    assert (change["before"], change["verdict"]) == ("FAIL", "PASS")
    assert change["headline"].startswith("(FAIL without 3 waivers) ")


def test_who_cannot_be_asked_is_told_to_those_who_want_to_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meshlab.toml").write_text(TOML.replace("canary-regression", "nowhere"))
    with listening() as (url, heard):
        monkeypatch.setenv("EAR", url)
        with pytest.raises(ParameterError, match="nowhere"):
            sweep_once(named(load(tmp_path), "canaries"), out=Path("out"), cwd=tmp_path)
    assert heard[0][0]["labels"]["alertname"] == "MeshlabReportFailed"
    assert "nowhere" in heard[1]["error"]


def test_the_command_says_one_line_and_exits_by_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = TOML.replace('notify = ["oncall", "hook"]', "")
    (tmp_path / "meshlab.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["schedule", "run", "canaries"])
    assert (done.exit_code, done.stderr) == (10, "")
    assert "1 FAIL" in done.stdout
    assert done.stdout.count("\n") == 1
    listed = CliRunner().invoke(app, ["schedule", "list"]).stdout
    assert listed.startswith("canaries  sweep canary over services  */5 * * * * (UTC)")


def test_alerts_last_until_the_next_run_has_had_its_time() -> None:
    with listening() as (url, heard):
        notify(Receiver(name="oncall", kind=Kind.ALERTMANAGER, url=url), news({}, row("a", "FAIL")))
    ends = datetime.fromisoformat(next(a["endsAt"] for a in heard[0] if a["labels"].get("verdict")))
    assert ends == AT + timedelta(minutes=15)
