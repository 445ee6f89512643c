"""Who is told what, over real sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ears import listening

from meshlab.errors import ParameterError, ReportError
from meshlab.reports.schedules.cron import Cron
from meshlab.reports.schedules.entries import Kind, On, Receiver, Scheduled
from meshlab.reports.schedules.notifications import notify
from meshlab.reports.schedules.report_notification import ReportNotification
from meshlab.reports.schedules.running import run_once
from meshlab.reports.waivers.entries import Waiver
from meshlab.reports.waivers.waiving import waive

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOSTILE = "<!channel> <https://evil.example|ok> & \x1b[31m\nnew line"


def summary(verdict: str, headline: str = "all is said") -> dict[str, Any]:
    return {"verdict": verdict, "headline": headline, "question": "canary", "subject": "c/n/s", "findings": []}


def notice(verdict: str, before: str = "", headline: str = "all is said") -> ReportNotification:
    report = Scheduled("catalog", "canary-verdict", Cron("*/5 * * * *"))
    error = "the store cannot be reached" if verdict == "ERROR" else ""
    result = None if verdict == "ERROR" else summary(verdict, headline)
    return ReportNotification(
        report, AT, "catalog/20261123T120000Z", result, summary(before) if before else None, error
    )


@pytest.mark.parametrize(
    ("verdict", "before", "told"),
    [
        ("PASS", "", False),
        ("FAIL", "", True),
        ("FAIL", "FAIL", False),
        ("FAIL", "PASS", True),
        ("PASS", "FAIL", True),
        ("ERROR", "PASS", True),
    ],
)
def test_people_are_told_of_changes(verdict: str, before: str, told: bool) -> None:
    with listening() as (url, heard):
        assert notify(Receiver(name="chat", kind=Kind.WEBHOOK, url=url), notice(verdict, before)) is told
        assert len(heard) == told
        assert notify(Receiver(name="chat", kind=Kind.WEBHOOK, url=url, on=On.ALWAYS), notice(verdict, before))


def test_a_webhook_gets_all_there_is() -> None:
    with listening() as (url, heard):
        notify(Receiver(name="hook", kind=Kind.WEBHOOK, url=url, link="https://r.example.org"), notice("FAIL", "PASS"))
    assert heard == [
        {
            "schema": "meshlab.notice/1",
            "report": "catalog",
            "at": "2026-11-23T12:00:00.000+00:00",
            "verdict": "FAIL",
            "before": "PASS",
            "headline": "all is said",
            "changes": ["was PASS in the previous report"],
            "link": "https://r.example.org/catalog/20261123T120000Z/report.html",
            "result": summary("FAIL"),
        }
    ]


def test_a_chat_calls_nobody_by_what_a_label_says() -> None:
    with listening() as (url, heard):
        notify(Receiver(name="chat", kind=Kind.SLACK, url=url), notice("FAIL", "PASS", HOSTILE))
    text = heard[0]["text"]
    assert "<" not in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2
    assert "&lt;!channel&gt;" in text


def test_alerts_fire_change_and_end() -> None:
    with listening() as (url, heard):
        to = Receiver(name="oncall", kind=Kind.ALERTMANAGER, url=url)
        for verdict, before in (("FAIL", ""), ("FAIL", "FAIL"), ("WARN", "FAIL"), ("PASS", "WARN"), ("ERROR", "FAIL")):
            assert notify(to, notice(verdict, before))
    seen = [
        [(a["labels"].get("verdict", "ERROR"), a["endsAt"] > AT.isoformat(timespec="milliseconds")) for a in body]
        for body in heard
    ]
    assert seen == [
        [("FAIL", True), ("ERROR", False)],
        [("FAIL", True), ("ERROR", False)],
        [("WARN", True), ("ERROR", False), ("FAIL", False)],
        [("ERROR", False), ("WARN", False)],
        # Nothing is known of the mesh: what fired goes on.
        [("ERROR", True), ("FAIL", True)],
    ]


def test_a_waived_fail_raises_no_alert_and_ends_the_one_that_fired() -> None:
    failing = {**summary("FAIL"), "findings": [{"code": "ML-CAN-001", "verdict": "FAIL", "statement": "x"}]}
    known = Waiver("ML-CAN-001", "c/n/s", AT + timedelta(days=1), "2026-11-24", "known")
    report = Scheduled("catalog", "canary-verdict", Cron("*/5 * * * *"))
    with listening() as (url, heard):
        to = Receiver(name="oncall", kind=Kind.ALERTMANAGER, url=url)
        for at in (AT, AT + timedelta(days=2)):
            notify(to, ReportNotification(report, at, "f", waive(failing, [known], at=at), failing))
        assert notify(
            Receiver(name="chat", kind=Kind.SLACK, url=url),
            ReportNotification(report, AT, "f", waive(failing, [known], at=AT), failing),
        )
    assert heard.pop()["text"].startswith("✔ *PASS* (FAIL without 1 waiver) catalog: ")
    fired = [
        {a["labels"].get("verdict", "ERROR"): a["endsAt"] > at.isoformat(timespec="milliseconds") for a in body}
        for body, at in zip(heard, (AT, AT + timedelta(days=2)), strict=True)
    ]
    assert fired == [{"ERROR": False, "FAIL": False}, {"FAIL": True, "ERROR": False}]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_told_without_the_address(status: int) -> None:
    with listening(status) as (url, _), pytest.raises(ReportError) as error:
        notify(Receiver(name="chat", kind=Kind.SLACK, url=f"{url}/planted-secret"), notice("FAIL"))
    assert str(status) in str(error.value)
    assert "planted" not in str(error.value)


def test_nobody_there() -> None:
    with pytest.raises(ReportError) as error:
        notify(Receiver(name="chat", kind=Kind.SLACK, url="http://127.0.0.1:1/planted-secret"), notice("FAIL"))
    assert "planted" not in str(error.value)


def test_a_run_without_a_verdict_says_who_was_not_told_of_it(tmp_path: Path) -> None:
    deaf = Receiver(name="chat", kind=Kind.SLACK, url="http://127.0.0.1:1/planted-secret")
    report = Scheduled("catalog", "./nothing.ipynb", Cron("*/5 * * * *"), notify=(deaf,))
    with pytest.raises(ParameterError) as error:
        run_once(report, out=Path("out"), cwd=tmp_path)
    assert "nothing.ipynb" in str(error.value)
    assert "notify.chat cannot be reached" in str(error.value)
    assert "planted" not in str(error.value)
