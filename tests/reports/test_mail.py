"""A report as a mail: small, inline, the worst first, and nothing that breaks out."""

from __future__ import annotations

from bs4 import BeautifulSoup
from summaries import finding, summary

from meshlab.reports.render.mail import LIMIT_BYTES, mail

HOSTILE = "<img src=x onerror=alert(1)> \"quoted\" & 'more' \x1b[31m"


def read(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def test_it_says_word_headline_change_and_findings_the_worst_first() -> None:
    page = read(mail(summary(), before=summary("PASS")))
    assert "✖ FAIL" in page.text
    assert "Roll back" in page.text
    assert "was PASS in the previous report" in page.text
    codes = [cell.text.partition(":")[0] for cell in page.select("td")]
    assert codes == ["ML-X-003", "ML-X-005", "ML-X-002", "ML-X-004", "ML-X-001"]
    assert not page.select("a")


def test_hostile_names_stay_text_and_nothing_is_loaded() -> None:
    found = summary(subject=HOSTILE, headline=HOSTILE, source=HOSTILE, findings=[finding(HOSTILE, "FAIL", HOSTILE)])
    text = mail(found, before=None)
    page = read(text)
    assert not page.select("img, script, style, link, a, [onerror], [src]")
    assert "data:" not in text
    assert "\x1b" not in text
    assert "<img src=x onerror=alert(1)>" in page.text


def test_a_long_report_is_cut_to_what_mail_services_show_and_says_so() -> None:
    found = [finding(f"ML-X-{n:03}", "WARN", "é" * 400) for n in range(300)] + [finding("ML-X-999", "FAIL")]
    text = mail(summary(findings=found), before=None)
    assert len(text.encode()) < LIMIT_BYTES
    rows = len(read(text).select("td"))
    assert read(text).select("td")[0].text.startswith("ML-X-999")
    assert 0 < rows < 301
    assert f"{301 - rows} more findings" in text
