"""The page with controls, without a browser: whatever is chosen, the verdict is that of the sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hostile import FORBIDDEN, hostile, hostile_copy

pytest.importorskip("ipywidgets")

import meshlab
from meshlab.errors import ParameterError
from meshlab.reports import explorer
from meshlab.reports.explorer import Explorer, explore

ROOT = Path(__file__).parents[2]


def asked(source: str = "canary-regression", **more: Any) -> Explorer:
    return explore(source, cwd=ROOT, **{"service": "catalog", "baseline": "v1", "canary": "v2", **more})


def test_the_verdict_changes_with_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    real = explorer.connect
    monkeypatch.setattr(explorer, "connect", lambda *a, **k: times.append(1) or real(*a, **k))
    page = asked()
    assert (page.word, page.result.verdict.value) == ("FAIL", "FAIL")
    assert page.text.startswith("✖ FAIL  Roll back v2: 3.06\u202f% of requests fail")
    assert "Roll back v2" in page._verdict.value
    assert page._figures.value.count("<img") == 4
    assert page._figures.value.count('alt="') == 4
    names = [key for _, key in page.service.options]
    assert names == ["Kubernetes/shop/catalog", "Kubernetes/shop/ingress", "Kubernetes/shop/storefront"]
    page.service.value = "Kubernetes/shop/storefront"
    assert (page.word, page.result) == ("NOT_MEASURED", None)
    assert "Kubernetes/shop/storefront: There is no version v2 in this window." in page.text
    assert "Roll back" not in page._verdict.value
    assert page._figures.value == ""
    page.service.value = "Kubernetes/shop/catalog"
    assert page.word == "FAIL"
    assert len(times) == 1, "all services are judged from what was asked once"


def test_source_arms_question_and_window_are_heard() -> None:
    page = asked()
    page.source.value = "canary-healthy"
    assert (page.word, page.service.value) == ("PASS", "Kubernetes/shop/catalog"), "the service stays"
    page.canary.value = "v3"
    assert page.word == "NOT_MEASURED"
    assert "no version v3" in page.text
    page.canary.value = "v2"
    assert page.word == "PASS"
    page.start.value = "2026-11-23T13:18:00Z"
    assert page.word == "INCONCLUSIVE", "half a minute is no evidence"
    page.start.value = ""
    page.question.value = "scaling"
    page.source.value = "scale-out"
    assert page.word == "FAIL"
    assert page.result.question == "scaling"


@pytest.fixture(scope="module")
def page() -> Explorer:
    return asked()


@pytest.mark.parametrize(
    ("control", "value", "says"),
    [
        ("source", "canary-regresion", "did you mean canary-regression?"),
        ("source", "http://me:secret@127.0.0.1:1", "holds a user or password"),
        ("source", "http://127.0.0.1:1", "nothing answers"),
        ("start", "yesterday", "yesterday"),
        ("baseline", "", "baseline"),
    ],
)
def test_a_wrong_choice_is_told_and_can_be_made_again(page: Explorer, control: str, value: str, says: str) -> None:
    before = getattr(page, control).value
    getattr(page, control).value = value
    assert (page.word, page.result) == ("ERROR", None)
    assert says in page.text
    assert "secret" not in page.text + page._verdict.value + page.source.value
    getattr(page, control).value = before
    assert (page.word, page.service.value) == ("FAIL", "Kubernetes/shop/catalog")


def test_it_shows_controls_and_reads_as_text_without_them(page: Explorer) -> None:
    bundle = page._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(page) == page.result.to_text()
    assert {"canary-regression", "canary-healthy"} <= set(page.source.options), "sources are offered by name"
    assert meshlab.explore is explore


def test_hostile_names_are_text(tmp_path: Path) -> None:
    hostile_copy("canary-regression", tmp_path)
    arms = {"baseline": hostile("v1"), "canary": hostile("v2")}
    page = explore("canary-regression", service=hostile("catalog"), cwd=tmp_path, **arms)
    assert page.word == "FAIL"
    assert page.service.value == hostile("Kubernetes/shop/catalog")
    assert not FORBIDDEN.search(page.text + "".join(label for label, _ in page.service.options))
    for html in (page._verdict.value, page._figures.value):
        tags = BeautifulSoup(html, "html.parser").find_all()
        assert not {tag.name for tag in tags} & {"script", "style", "iframe", "svg", "a", "form", "input", "link"}
        assert not [tag for tag in tags if any(name.startswith("on") for name in tag.attrs)]


def test_what_cannot_be_asked_of_every_service_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"there is no question 'weather'; there are: canary"):
        asked(question="weather")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ParameterError, match=r'ipywidgets; pip install "meshlab\[jupyter\]"'):
        asked()
