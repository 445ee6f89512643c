"""A report in a dozen lines: what matters, what changed, and nothing that breaks out."""

from __future__ import annotations

from summaries import finding, summary

from meshlab.reports.metrics import exposition
from meshlab.reports.render.message import changes, message

HOSTILE = '<script>alert(1)</script> [x](javascript:1) "quoted" \\ back\nnew line \x1b[31m'


def test_a_message_says_what_matters_in_at_most_twelve_lines() -> None:
    text = message(summary(), before=None)
    lines = text.splitlines()
    assert len(lines) <= 12
    assert lines[0] == "✖ **FAIL** canary: a/b/c"
    told = [line.split()[2] for line in lines if line.startswith("- ")]
    assert told == ["ML-X-003", "ML-X-005", "ML-X-002"]
    assert "first report here" in text


def test_plain_sentences_stay_as_they_are() -> None:
    said = "payments -> ledger: 25.9 attempts (0.5 %), since 20:04:35 UTC"
    assert f"\n{said}\n" in message(summary(headline=said), before=None)
    for begun in ("- x", "+ x", "1. x", "12) x", "> x", "=== x", "# x", "--- x"):
        assert f"\n{begun}\n" not in message(summary(headline=begun), before=None)


def test_what_changed_is_said() -> None:
    old = summary("PASS", findings=[finding("ML-X-003", "PASS"), finding("ML-X-001", "PASS")])
    assert changes(summary(), old) == ["was PASS in the previous report", "ML-X-003 was PASS, is FAIL"]
    assert changes(summary(), summary()) == ["still FAIL, as in the previous report"]
    assert changes(summary(), summary(subject="a/b/d")) == ["previous report was about a/b/d"]
    assert changes(summary(), {}) == ["previous report was about None"]


def test_hostile_names_stay_text() -> None:
    bad = summary(subject=HOSTILE, headline=HOSTILE, source=HOSTILE, findings=[finding("ML-X-003", "FAIL", HOSTILE)])
    text = message(bad, before=summary(subject=HOSTILE + "2"))
    assert "<script" not in text
    assert "](" not in text
    assert "\x1b" not in text
    assert len(text.splitlines()) <= 12
    long = message(summary(headline="x" * 10_000), before=None)
    assert max(map(len, long.splitlines())) < 400


def test_metrics_are_read_by_a_parser_as_they_were_meant() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = exposition(summary(subject=HOSTILE), notebook="canary-verdict", seconds=3.25, at_s=1_769_860_800.5)
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    holds = {s.labels["verdict"]: s.value for s in found["meshlab_verdict"]}
    assert holds == {"PASS": 0, "WARN": 0, "FAIL": 1, "INCONCLUSIVE": 0}
    counts = {s.labels["verdict"]: s.value for s in found["meshlab_findings"]}
    assert counts == {"PASS": 1, "WARN": 2, "FAIL": 1, "INCONCLUSIVE": 0, "INFO": 0, "NOT_MEASURED": 1}
    (last,) = found["meshlab_report_last_run_timestamp_seconds"]
    assert last.value == 1_769_860_800.5
    assert last.labels["subject"] == HOSTILE.replace("\n", " ").replace("\x1b", " ")
    assert found["meshlab_report_duration_seconds"][0].value == 3.25
