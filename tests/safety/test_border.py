"""Nobody but the display makes text safe: a result that is hostile everywhere goes through each medium as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mistune
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hostile import BIDI, FORBIDDEN, IMAGE, MARKDOWN, SCRIPT, STYLE, TERMINAL

from meshlab.core.results import Action, Finding, Result, Verdict
from meshlab.display.figures import Figure
from meshlab.display.preformatted import Text
from meshlab.display.result import to_html, to_text
from meshlab.errors import MeshlabError
from meshlab.reports.index import write_index
from meshlab.reports.metrics import exposition
from meshlab.reports.render.content import of_result
from meshlab.reports.render.mail import mail
from meshlab.reports.render.message import message
from meshlab.reports.render.page import render
from meshlab.reports.schedules.cron import Cron
from meshlab.reports.schedules.entries import Kind, Receiver, Scheduled
from meshlab.reports.schedules.notifications import notify
from meshlab.reports.schedules.report_notification import ReportNotification
from meshlab.reports.stored import to_json

RAW = f"catalog{IMAGE}{SCRIPT}{STYLE}\n{MARKDOWN}{TERMINAL}{BIDI}{{{{ 7*7 }}}}"
OUR_TAGS = {"html", "head", "meta", "link", "title", "style", "body", "main", "section", "div", "nav", "footer", "p"}
OUR_TAGS |= {"h1", "h2", "h3", "ol", "ul", "li", "a", "span", "small", "strong", "b", "br", "code", "pre", "details"}
OUR_TAGS |= {"summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "img", "dl", "dt", "dd"}
OUR_TAGS |= {"article", "time"}


@pytest.fixture(scope="module")
def result() -> Result:
    finding = Finding(
        code="ML-TST-001",
        key="test.hostile.fail",
        verdict=Verdict.FAIL,
        subject=RAW,
        statement=RAW,
        value=1.5,
        unit=RAW,
        action=Action(RAW, RAW),
        query=RAW,
    )
    table = pd.DataFrame({RAW: [RAW, ""], "n": [1, 2]}).set_index(RAW, drop=False)
    return Result(
        question="test",
        subject=RAW,
        verdict=Verdict.FAIL,
        headline=RAW,
        action=RAW,
        doubts=[RAW],
        findings=[finding],
        window=RAW,
        source=RAW,
        tables={RAW: table},
    )


@pytest.fixture(scope="module")
def summary(result: Result) -> dict[str, Any]:
    waivers = {"waivers": {"without": "FAIL", "waived": 0, "notes": [RAW], "idle": [RAW]}}
    return {**result.to_dict(), "owner": RAW, **waivers}


def checked(html: str) -> BeautifulSoup:
    assert not FORBIDDEN.search(html)
    tree = BeautifulSoup(html, "html.parser")
    assert {tag.name for tag in tree.find_all()} <= OUR_TAGS
    assert not [name for tag in tree.find_all() for name in tag.attrs if name.startswith("on")]
    assert not [a for a in tree.find_all("a") if not str(a["href"]).startswith(("#", "report.html"))]
    assert not [i for i in tree.find_all("img") if not str(i["src"]).startswith("data:image/png;base64,")]
    assert "alert(1)" in tree.get_text(), "what the label says is there, as text"
    return tree


def test_notebooks_and_terminals(result: Result, summary: dict[str, Any]) -> None:
    assert not FORBIDDEN.search(to_text(summary))
    checked(to_html(summary))
    checked(result.tables[RAW]._repr_html_())  # type: ignore[operator]
    checked(Text(RAW)._repr_html_())
    assert not FORBIDDEN.search(repr(result))


def test_pages(result: Result, summary: dict[str, Any]) -> None:
    figures = [Figure(RAW), Text(RAW)]
    page = render(of_result(RAW, result, summary, figures, question=RAW), summary, given={"service": RAW})
    tree = checked(page)
    assert len(tree.select("style")) == len(tree.select("h1")) == 1


def test_messages_and_mails(summary: dict[str, Any]) -> None:
    text = message(summary, before={**summary, "subject": "other"})
    assert not FORBIDDEN.search(text)
    html = str(mistune.create_markdown(plugins=["table", "strikethrough", "url", "math", "footnotes"])(text))
    assert {tag.name for tag in BeautifulSoup(html, "html.parser").find_all()} <= {"p", "strong", "ul", "li"}
    checked(mail(summary, before=None))


def test_index(summary: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").write_text(to_json(summary))
    assert not FORBIDDEN.search((run / "result.json").read_text())
    (run / "report.html").write_text("")
    tree = BeautifulSoup(write_index(tmp_path).read_text(), "html.parser")
    assert [a["href"] for a in tree.select("article a")] == ["run/report.html"]
    assert not FORBIDDEN.search(str(tree))


@pytest.mark.parametrize("kind", list(Kind))
def test_notifications(summary: dict[str, Any], kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[Any] = []

    place = "meshlab.reports.schedules.notifications.post"
    monkeypatch.setattr(place, lambda name, address, body: bodies.append(body))
    report = Scheduled("nightly", "canary-verdict", Cron("0 * * * *"))
    sent = ReportNotification(report, datetime(2026, 11, 23, tzinfo=UTC), "nightly/x", summary, None)
    assert notify(Receiver(name="r", kind=kind, url="http://127.0.0.1:1"), sent)
    assert not FORBIDDEN.search(json.dumps(bodies, ensure_ascii=False))
    if kind is Kind.SLACK:
        assert "<" not in bodies[0]["text"]
        assert bodies[0]["text"].count("\n") == 1


def test_metrics_and_errors(summary: dict[str, Any]) -> None:
    text = exposition(summary, notebook=RAW, seconds=1.0, at_s=1.0)
    assert not FORBIDDEN.search(text)
    assert all(line.startswith(("# ", "meshlab_")) for line in text.splitlines())
    error = MeshlabError(RAW, RAW)
    assert not FORBIDDEN.search(f"{error} {error.what} {error.hint}")
    assert "\n" not in str(error)
