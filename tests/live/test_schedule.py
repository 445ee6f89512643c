"""Reports on a timer and a real Alertmanager: exactly the alerts that the verdicts ask for."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from real_alertmanager import serving_alertmanager
from tiny_notebooks import written

from meshlab.config import load
from meshlab.errors import ReportError
from meshlab.reports.schedules.cron import Cron
from meshlab.reports.schedules.entries import Kind, Receiver, Scheduled, Sweep, named
from meshlab.reports.schedules.notifications import notify
from meshlab.reports.schedules.running import run_once
from meshlab.reports.schedules.sweep_notification import SweepNotification
from meshlab.reports.schedules.sweeping import states_before

pytestmark = pytest.mark.live

# What is in the file beside it is the verdict; "broken" is none.
CELL = """from pathlib import Path
from meshlab.core.results import Finding, Result, Verdict
word = Path("world", source).read_text()
finding = Finding(code="ML-TST-001", verdict=Verdict(word), subject=source, statement=word)
Result(question="test", subject=source, verdict=Verdict(word), headline=f"it is {word}", findings=[finding])"""
REPORT = """
[[report]]
name = "{name}"
notebook = "./timed.ipynb"
source = "{name}"
cron = "*/5 * * * *"
keep = 2
notify = ["oncall"]
"""
NAMES = ("first", "second", "third")
# What each finds in each of five minutes.
WORLD = {
    "first": ("PASS", "FAIL", "FAIL", "WARN", "PASS"),
    "second": ("INCONCLUSIVE", "PASS", "broken", "broken", "PASS"),
    "third": ("PASS", "PASS", "FAIL", "broken", "FAIL"),
}
# What must fire after each: what was known last, and that there is no verdict.
FIRING = {
    "first": ((), ("FAIL",), ("FAIL",), ("WARN",), ()),
    "second": (("INCONCLUSIVE",), (), ("ERROR",), ("ERROR",), ()),
    "third": ((), (), ("FAIL",), ("ERROR", "FAIL"), ("FAIL",)),
}


def firing(url: str) -> dict[str, tuple[str, ...]]:
    answer = requests.get(f"{url}/api/v2/alerts", params={"active": "true"}, timeout=10)
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    alert: dict[str, Any]
    for alert in answer.json():
        found[alert["labels"]["report"]].append(alert["labels"].get("verdict", "ERROR"))
    return {name: tuple(sorted(words)) for name, words in found.items()}


def test_exactly_the_alerts_that_the_verdicts_ask_for(tmp_path: Path, alertmanager_binary: str) -> None:
    written(tmp_path, CELL, name="timed")
    (tmp_path / "world").mkdir()
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    with serving_alertmanager(tmp_path / "alertmanager", binary=alertmanager_binary) as url:
        reports = "".join(REPORT.format(name=name) for name in NAMES)
        (tmp_path / "meshlab.toml").write_text(f'{reports}\n[notify.oncall]\nkind = "alertmanager"\nurl = "{url}"\n')
        told = load(tmp_path)
        for minute in range(5):
            moment = begin + timedelta(minutes=minute)
            for name in NAMES:
                word = WORLD[name][minute]
                (tmp_path / "world" / name).write_text(word)
                timed = named(told, name)
                if word == "broken":
                    with pytest.raises(ReportError):
                        run_once(timed, out=Path("out"), cwd=tmp_path, clock=lambda at=moment: at)
                    continue
                done = run_once(timed, out=Path("out"), cwd=tmp_path, clock=lambda at=moment: at)
                assert done.outcome.verdict.value == word
                assert not done.delivery.failures
            assert firing(url) == {name: FIRING[name][minute] for name in NAMES}, f"minute {minute}"
    for name in NAMES:
        kept = sorted(os.listdir(tmp_path / "out" / name))
        good = [m for m in range(5) if WORLD[name][m] != "broken"][-2:]
        assert kept == [(begin + timedelta(minutes=m)).strftime("%Y%m%dT%H%M%SZ") for m in good]
        assert f'report="{name}"' in (tmp_path / "out" / f"{name}.prom").read_text()


SWEPT = Scheduled("fleet", "", Cron("*/5 * * * *"), sweep=Sweep(question="canary", source="prod"))
# What each service is found to be in each of five runs; "broken" is a run that judged nobody.
FLEET: tuple[dict[str, str], ...] = (
    {"a": "FAIL", "b": "PASS", "c": "WARN"},
    {"a": "FAIL", "b": "ERROR", "c": "PASS"},
    {"broken": ""},
    {"a": "NOT_MEASURED", "b": "FAIL", "c": "INCONCLUSIVE"},
    {"b": "PASS"},
)
ALERTS: tuple[set[tuple[str, str]], ...] = (
    {("a", "FAIL"), ("c", "WARN")},
    {("a", "FAIL"), ("b", "ERROR")},
    {("a", "FAIL"), ("b", "ERROR"), ("", "ERROR")},
    {("b", "FAIL"), ("c", "INCONCLUSIVE")},
    set(),
)


def test_each_service_of_a_sweep_has_exactly_its_alert(tmp_path: Path, alertmanager_binary: str) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    own = tmp_path / "fleet"
    with serving_alertmanager(tmp_path / "alertmanager", binary=alertmanager_binary) as url:
        to = Receiver(name="oncall", kind=Kind.ALERTMANAGER, url=url)
        for minute, words in enumerate(FLEET):
            moment = begin + timedelta(minutes=minute)
            before = states_before(own, "canary")
            rows = [
                {"subject": s, "verdict": w, "headline": "said", "page": False, "error": "", "owner": "team-a"}
                for s, w in words.items()
            ]
            if "broken" in words:
                notify(to, SweepNotification(SWEPT, moment, "", None, before, "the store cannot be reached"))
            else:
                notify(to, SweepNotification(SWEPT, moment, "fleet/x", rows, before))
                run = own / f"canary-{moment:%Y%m%dT%H%M%SZ}"
                run.mkdir(parents=True)
                pd.DataFrame(rows).assign(question="canary").to_parquet(run / "results.parquet")
            answer = requests.get(f"{url}/api/v2/alerts", params={"active": "true"}, timeout=10)
            labels = [alert["labels"] for alert in answer.json()]
            found = {(one.get("subject", ""), one.get("verdict", "ERROR")) for one in labels}
            assert found == ALERTS[minute], f"minute {minute}"
            assert {one.get("owner") for one in labels if "verdict" in one} <= {"team-a"}
