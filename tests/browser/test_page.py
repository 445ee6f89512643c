"""The published page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chromium import Watched
from tiny_notebooks import HOSTILE, PARAMETERS, executed

from meshlab.core.results import Verdict
from meshlab.reports.render import page
from meshlab.reports.render.content import of_notebook
from meshlab.reports.run.extraction import the_result
from meshlab.reports.run.parameters import declared

pytestmark = pytest.mark.browser

LONG = (
    "Roll back v2: it fails 3.26 % of 22,372 requests against 0.38 % (+2.88 points, 98 % interval +2.49 to +3.43) and "
    "is slower with probability 0.54 (98 % interval 0.53 to 0.55), worse beyond doubt"
)
FOREIGN = '<img src="http://evil.example/x.png" onerror="alert(1)"><script src="//evil.example/x.js"></script>'


@pytest.fixture(scope="module", params=["tame", "hostile"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    hostile = request.param == "hostile"
    nb = executed(HOSTILE if hostile else LONG, Verdict.FAIL, FOREIGN + "x" * 500)
    result = the_result(nb, "tiny")
    html = page.render(of_notebook(nb, result, name="tiny"), result, parameters=declared(PARAMETERS))
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(html, encoding="utf-8")
    return written


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_the_verdict_is_in_the_first_view_and_all_fits(
    browser: Any, path: Path, width: int, height: int, scheme: str
) -> None:
    shown = Watched(browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme))
    shown.open(path)
    for selector in ("h1", ".word", ".headline"):
        assert shown.is_in_view(selector), selector
    assert shown.fits()
    for summary in shown.page.locator("summary").all():
        summary.click()
    assert shown.fits()
    assert shown.page.locator("img").evaluate("i => i.complete && i.naturalWidth") == 800
    assert shown.heard == []
    shown.page.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_the_contents_lead_to_their_sections(browser: Any, path: Path, width: int) -> None:
    shown = Watched(browser.new_page(viewport={"width": width, "height": 740}))
    shown.open(path)
    links = shown.page.locator("nav a")
    assert links.count() == 4
    for n in range(links.count()):
        target = links.nth(n).get_attribute("href")
        links.nth(n).click()
        assert shown.is_in_view(target), target
    assert shown.heard == []
    shown.page.close()


def test_the_skip_link_comes_first(browser: Any, path: Path) -> None:
    shown = Watched(browser.new_page())
    shown.open(path)
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.className") == "skip"
    assert shown.is_in_view("a.skip")
    shown.page.keyboard.press("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "evidence"
    shown.page.close()


def test_it_prints_with_the_verdict_and_without_code(browser: Any, path: Path) -> None:
    shown = Watched(browser.new_page(color_scheme="dark"))
    shown.open(path)
    shown.page.emulate_media(media="print")
    assert shown.page.locator(".word").is_visible()
    assert not shown.page.locator("nav").is_visible()
    assert not shown.page.locator("summary").first.is_visible()
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(shown.page.pdf()) > 10_000
    shown.page.close()
