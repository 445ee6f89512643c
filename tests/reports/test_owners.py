"""Whose a report is: said in every place that somebody looks at."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from summaries import finding, summary
from tiny_notebooks import SHOW, written

from meshlab.config import Config, load
from meshlab.errors import ConfigError, Unreachable
from meshlab.recordings.engine import Recording
from meshlab.reports.index import write_index
from meshlab.reports.render.mail import mail
from meshlab.reports.render.message import message
from meshlab.reports.run.runner import run
from meshlab.reports.schedules.cron import Cron
from meshlab.reports.schedules.entries import Kind, Receiver, Scheduled
from meshlab.reports.schedules.report_notification import ReportNotification
from meshlab.reports.waivers.owners import Owners, owned, owners
from meshlab.telemetry import source
from meshlab.telemetry.dialects.base import PLAIN

KNOWN = Owners(
    {"catalog": [("east", "shop", "label-a"), ("west", "shop", "label-b")], "web": [("", "front", "label-c")]},
    {"*/legacy-*": "table-old", "web": "table-web", "back/web": "table-back", "catalog": "table-catalog"},
)


@pytest.mark.parametrize(
    ("subject", "owner"),
    [
        ("east/shop/catalog", "label-a"),
        # A name of the mesh's own for the cluster: the two disagree, so the table decides.
        ("Kubernetes/shop/catalog", "table-catalog"),
        ("Kubernetes/front/web", "label-c"),
        ("front -> web", "label-c"),
        ("x/y/z → Kubernetes/back/web", "table-back"),
        ("Kubernetes/other/web", "table-web"),
        ("Kubernetes/shop/legacy-1", "table-old"),
        ("mesh", ""),
        ("", ""),
    ],
)
def test_a_label_stands_before_the_table_and_the_nearest_name_before_patterns(subject: str, owner: str) -> None:
    assert KNOWN.of(subject) == owner


def test_labels_are_asked_where_one_is_named_and_a_store_that_is_away_costs_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"__name__": "kube_service_labels", "service": "web", "namespace": "shop", "label_team": "team-a"}
    store = Recording.from_series([(labels, [1.0], [1.0])])
    monkeypatch.setattr(source, "open_source", lambda *_, **__: (store, PLAIN))
    table = {"web": "team-b"}
    assert owners(Config(owner_label="team", owners=table), "prod", tmp_path).of("c/shop/web") == "team-a"
    assert owners(Config(owners=table), "prod", tmp_path).of("c/shop/web") == "team-b"

    def away(*_: object, **__: object) -> None:
        raise Unreachable("the store did not answer")

    monkeypatch.setattr(source, "open_source", away)
    assert owners(Config(owner_label="team", owners=table), "prod", tmp_path).of("c/shop/web") == "team-b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('owner_label = "a b"', "owner_label"),
        ("owner_label = 3", "owner_label"),
        ("[owners]\nweb = 3", "owners.web"),
        ('[owners]\nweb = ""', "owners.web"),
        ('owners = "x"', "owners of .* not a table of texts"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "meshlab.toml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load(tmp_path)


def test_findings_messages_mails_and_alerts_say_whose_it_is() -> None:
    table = {"c": "team-<b>", "d": "team-d"}
    rows = [finding("ML-X-001", "FAIL"), {**finding("ML-X-002", "FAIL"), "subject": "c -> d"}]
    found = owned(summary(findings=rows), Owners(table=table))
    assert found["owner"] == "team-<b>"
    assert [f["owner"] for f in found["findings"]] == ["team-<b>", "team-d"]
    text = message(found, before=None)
    assert "owner team-&lt;b>" in text
    assert "- ✖ team-d: ML-X-002" in text
    page = BeautifulSoup(mail(found, before=None), "html.parser")
    assert "owner team-<b>" in page.text
    assert "ML-X-002 (team-d): said" in page.text
    report = Scheduled("r", "n", Cron("*/5 * * * *"))
    notice = ReportNotification(report, datetime(2026, 11, 27, tzinfo=UTC), "f", found, None)
    receiver = Receiver(name="chat", kind=Kind.SLACK, url="http://x")
    assert notice.alerts(receiver).firing[0][0]["owner"] == "team-<b>"
    assert "owner team-<b>" in notice.chat(receiver)[0][-1]
    assert owned(summary(), Owners()) == summary()


def test_a_report_and_the_index_say_whose_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, SHOW)
    (tmp_path / "meshlab.toml").write_text('[owners]\n"n/s" = "team-a"\n')
    run(path, parameters={}, out=Path("out/one"), cwd=tmp_path)
    saved = json.loads((tmp_path / "out/one/result.json").read_text())
    assert (saved["owner"], saved["findings"][0]["owner"]) == ("team-a", "team-a")
    page = BeautifulSoup((tmp_path / "out/one/report.html").read_text(), "html.parser")
    assert page.select_one(".about").text == "c/n/s, owned by team-a"  # type: ignore[union-attr]
    assert "owned by team-a" in write_index(tmp_path / "out").read_text()
