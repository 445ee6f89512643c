"""The pages of all notebooks in a real browser: of the recordings as they are, and with hostile names in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from chromium import Watched
from committed import REPORTED, page_of
from hostile import hostile, hostile_copy, hostile_report

from meshlab.reports.index import write_index
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import sweep

pytestmark = pytest.mark.browser

LIMIT_BYTES = 400_000
SIZES = {"wide": (1280, 800), "narrow": (360, 740)}
A4_PX = 673
"""Of a page in portrait, its margins left out."""
CENSUS = """() => Object.entries([...document.querySelectorAll('*')].reduce(
    (seen, e) => ({...seen, [e.localName]: (seen[e.localName] || 0) + 1}), {}))"""
OPEN = "() => document.querySelectorAll('details').forEach(d => d.open = true)"
IN_CELLS = "() => [...document.querySelectorAll('td *, th *')].map((e) => e.tagName.toLowerCase())"
RAGGED = """() => [...document.querySelectorAll('table')].filter((table) => {
  const widths = [...table.rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0));
  return new Set(widths).size > 1;
}).map((table) => table.innerText.slice(0, 80))"""
HANDLERS = (
    "() => [...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module", params=REPORTED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tame(name: str, place: Path) -> Path:
    path = place / f"{name}.html"
    path.write_text(page_of(name), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def attacked(name: str, place: Path) -> Path:
    return hostile_report(name, place).folder / "report.html"


def looked_at(browser: Any, path: Path, size: str = "wide", scheme: str = "light") -> Watched:
    width, height = SIZES[size]
    shown = Watched(browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme))
    shown.open(path)
    return shown


def census(shown: Watched) -> Counter[str]:
    return Counter(dict(shown.page.evaluate(CENSUS)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_page_fits_and_asks_for_nothing(browser: Any, tame: Path, size: str, scheme: str) -> None:
    shown = looked_at(browser, tame, size, scheme)
    for selector in ("h1", ".word", ".headline"):
        assert shown.is_in_view(selector), selector
    assert shown.fits()
    shown.page.evaluate(OPEN)
    assert shown.fits()
    assert shown.heard == []
    shown.page.close()


def test_a_page_is_small_and_its_pictures_have_texts(browser: Any, tame: Path) -> None:
    assert len(tame.read_bytes()) < LIMIT_BYTES
    shown = looked_at(browser, tame)
    images = shown.page.locator("img").evaluate_all("all => all.map(i => [i.alt, i.naturalWidth])")
    assert len(images) >= 3
    for alt, width in images:
        assert width >= 800
        assert re.search(r"\d", alt), "the text has a number"
    assert shown.page.locator("h1").count() == 1
    assert shown.page.evaluate("document.documentElement.lang") == "en"
    assert shown.page.locator("th:not([scope])").count() == 0
    shown.page.close()


def test_the_contents_lead_to_their_sections(browser: Any, tame: Path) -> None:
    shown = looked_at(browser, tame)
    links = shown.page.locator("nav a")
    targets = [links.nth(n).get_attribute("href") for n in range(links.count())]
    assert len(targets) >= 5
    assert len(set(targets)) == len(targets)
    for n, target in enumerate(targets):
        links.nth(n).click()
        assert shown.is_in_view(target), target
    inner = shown.page.locator("a[href^='#']").evaluate_all("all => all.map(a => a.hash.slice(1))")
    assert shown.page.evaluate("ids => ids.filter(id => !document.getElementById(id))", inner) == []
    assert shown.heard == []
    shown.page.close()


def test_dark_and_print_are_readable(browser: Any, tame: Path) -> None:
    shown = looked_at(browser, tame, scheme="dark")
    dark, ink = shown.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert _light(dark) < 60 < 180 < _light(ink)
    shown.page.emulate_media(media="print")
    paper, ink = shown.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert _light(paper) == 255
    assert _light(ink) < 80
    assert shown.page.locator(".word").is_visible()
    assert not shown.page.locator("nav").is_visible()
    shown.page.set_viewport_size({"width": A4_PX, "height": 1000})
    assert shown.fits(), "nothing runs off the paper"
    assert shown.page.pdf(format="A4").count(b"/Type /Page\n") <= 12
    shown.page.close()


def _light(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return (red + green + blue) / 3


@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_hostile_names_break_nothing_out(browser: Any, tame: Path, attacked: Path, size: str, scheme: str) -> None:
    shown = looked_at(browser, attacked, size, scheme)
    shown.page.evaluate(OPEN)
    assert shown.fits()
    assert shown.page.evaluate(HANDLERS) == []
    text = shown.page.locator("body").inner_text()
    assert "onerror=alert(1)" in text, "the names are there, as text"
    own = looked_at(browser, tame, size, scheme)
    expected, found = census(own), census(shown)
    # The one was run with parameters, which are marked, and tells when; in folded code, long texts are cut.
    for kind in ("span", "small", "dt", "dd"):
        del expected[kind], found[kind]
    # For names that cannot be named nothing is proposed: their callers are rows of another table.
    assert found.pop("pre") <= expected.pop("pre")
    # A tame name between backticks is code; a hostile one stays text.
    assert found.pop("code") <= expected.pop("code")
    for kind in ("tr", "th", "td"):
        del expected[kind], found[kind]
    assert found == expected
    assert set(shown.page.evaluate(IN_CELLS)) <= set(own.page.evaluate(IN_CELLS))
    assert shown.page.evaluate(RAGGED) == []
    assert own.heard == shown.heard == []
    own.page.close()
    shown.page.close()


def test_hostile_names_in_a_mail_and_in_a_trusted_notebook(browser: Any, attacked: Path, tmp_path: Path) -> None:
    """A notebook that is trusted shows its HTML as it is: without a policy, and with scripts."""
    cells = nbformat.read(attacked.with_name("report.ipynb"), as_version=4).cells
    shown = [o.data.get("text/html", "") for c in cells for o in c.get("outputs", ()) if "data" in o]
    alts = [
        o.metadata["image/png"]["alt"] for c in cells for o in c.get("outputs", ()) if "image/png" in o.get("data", {})
    ]
    (tmp_path / "raw.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{'<hr>'.join(shown)}</body>")
    assert sum(map(bool, shown)) >= 4
    assert alts
    for path in (tmp_path / "raw.html", attacked.with_name("mail.html")):
        watched = looked_at(browser, path)
        assert watched.page.evaluate(HANDLERS) == []
        assert not {"script", "img", "svg", "iframe", "form", "input", "link", "base"} & set(census(watched))
        assert watched.heard == []
        watched.page.close()


def test_a_sweep_and_an_index_of_hostile_names(browser: Any, place: Path) -> None:
    out = place / "swept"
    for question, source in (("scaling", "scale-out"), ("canary", "canary-regression")):
        hostile_copy(source, place)
        given = {"baseline": hostile("v1"), "canary": hostile("v2")} if question == "canary" else {}
        workers = executors("threads", 1)
        sweep(question, source=source, out=out, executor=workers, parameters=given, pages="all", cwd=place)
    pages = sorted(out.rglob("report.html"))
    assert len(pages) >= 4
    index = write_index(out)
    words = [json.loads(p.read_text())["verdict"] for p in out.rglob("record.json")]
    for path in (index, *pages):
        shown = looked_at(browser, path, "narrow")
        assert shown.fits(), path
        assert shown.page.evaluate(HANDLERS) == []
        assert not {"script", "svg", "iframe", "form", "input", "base"} & set(census(shown))
        assert shown.heard == []
        if path == index:
            assert shown.page.locator("img").count() == 0
            links = shown.page.locator("a[href$='report.html']")
            assert links.count() == len(pages)
            assert len(words) > len(pages), "those that were not judged are told of too"
            links.first.click()
            assert shown.page.locator(".word").is_visible()
        shown.page.close()
