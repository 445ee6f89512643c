from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bs4 import BeautifulSoup, Tag
from tiny_notebooks import HOSTILE, PARAMETERS, executed

from meshlab.core import results
from meshlab.core.results import Verdict
from meshlab.display.tables import Table
from meshlab.reports.render import markup, page
from meshlab.reports.render.content import of_notebook
from meshlab.reports.run.extraction import the_result
from meshlab.reports.run.parameters import declared

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
CSS = Path(page.__file__).with_name("page.css").read_text()
FOREIGN = f"""<script>alert(1)</script><p onclick="x()">kept</p><iframe src="//e/"></iframe><img src="//e/x.png">
<svg onload=x><a xlink:href="//e/">s</a></svg><a href="javascript:x">j</a><form action="//e/"><input></form>
<style>@import url(//e/x.css)</style><td style="background:url(//e/)">t</td><base href=//e/>
<link rel=stylesheet href=//e/>
<object data="//e/"></object><meta http-equiv=refresh content="0;url=//e/"><p id="title">{HOSTILE}</p><script>half"""


def rendered(text: str = "all is well", verdict: Verdict = Verdict.PASS, html: str = "<p>a table</p>") -> str:
    return written(executed(text, verdict, html), given={"canary": text, "loud": True})


def written(notebook: Any, *, tz: str = "", given: Any = None) -> str:
    result = the_result(notebook, "tiny")
    content = of_notebook(notebook, result, name="tiny", tz=tz)
    return page.render(content, result, parameters=declared(PARAMETERS), given=given, tz=tz)


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize("html", [rendered(), rendered(HOSTILE, html=FOREIGN)], ids=["tame", "hostile"])
def test_nothing_runs_and_nothing_is_loaded(html: str) -> None:
    tree = parsed(html)
    assert tree.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"] == POLICY
    assert not tree.find_all(["script", "iframe", "object", "embed", "form", "base", "svg", "input"])
    assert len(tree.find_all("style")) == 1
    assert [link["href"] for link in tree.find_all("link")] == ["data:,"]
    for tag in tree.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on") or name in ("srcset", "xlink:href", "action")]
        assert tag.get("src", "data:").startswith("data:image/") if tag.name == "img" else "src" not in tag.attrs
        assert "url(" not in tag.get("style", "")
    for link in tree.find_all("a"):
        assert link["href"].startswith("#") or link["rel"] == ["noreferrer", "noopener"]
    assert not re.search(r"@import|url\(|expression", CSS)
    assert len(html.encode()) < 400_000


def test_hostile_text_stays_text() -> None:
    html = rendered(HOSTILE, html=FOREIGN)
    tree = parsed(html)
    shown = HOSTILE.replace("\x1b", " ")
    assert "\x1b" not in html
    assert tree.select_one(".headline").get_text() == shown
    assert tree.select_one(".statement").contents[0] == shown
    assert [img["alt"] for img in tree.find_all("img")] == [shown]
    assert "kept" in tree.get_text()
    assert "alert(1)</p>" not in html
    assert [tag.name for tag in tree.find_all(id="title")] == ["h1"]
    assert {tag.name for tag in tree.select("head > *")} == {"meta", "link", "title", "style"}


def test_the_verdict_is_first_and_said_once() -> None:
    tree = parsed(rendered("it is so", Verdict.FAIL))
    main = tree.find("main")
    assert isinstance(main, Tag)
    assert main.find(True)["class"] == ["verdict", "fail"]
    assert [h.get_text() for h in tree.find_all("h1")] == ["A tiny question"]
    assert tree.select_one(".word").get_text() == "✖FAIL"
    assert tree.title.get_text().startswith("FAIL: A tiny question")
    assert len(tree.select(".word")) == len(tree.select(".findings")) == 1
    assert tree.html["lang"] == "en"
    cells = [c.get_text(" ", strip=True) for c in tree.select(".findings tbody td")]
    assert cells[0] == "✖ FAIL ML-TST-001"
    assert cells[2] == "0.25 points 98\u202f%: −0.5 to not bounded threshold: 0.5 points"
    assert cells[3] == "○ NOT MEASURED ML-TST-002"


def test_contents_lead_to_headings_with_anchors_of_their_own() -> None:
    tree = parsed(rendered())
    links = {a["href"]: a.get_text() for a in tree.select("nav a")}
    assert links == {
        "#verdict": "Verdict",
        "#evidence-2": "Evidence",
        "#evidence-3": "Evidence",
        "#parameters": "Parameters",
    }
    ids = [tag["id"] for tag in tree.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert all(tree.find("h2", id=href[1:]) for href in links)
    assert tree.select_one("a.skip")["href"] == "#evidence"


def test_local_times_stand_beside_utc_where_a_zone_is_set() -> None:
    tree = parsed(written(executed(), tz="Europe/Berlin"))
    facts = tree.select_one(".facts").get_text(" ", strip=True)
    assert "31 Jan 2026, 12:00-13:00 UTC (1 h)" in facts
    assert "31 Jan 2026, 13:00-14:00 CET" in facts
    told = dict(zip((t.get_text() for t in tree.select("dt")), (t.get_text() for t in tree.select("dd")), strict=True))
    assert told["Run"] == "31 Jan 2026, 12:00 UTC (31 Jan 2026, 13:00 CET), 3.2 s"
    assert "CET" not in rendered()


def test_parameters_and_run_are_told() -> None:
    tree = parsed(rendered("v3"))
    rows = [[c.get_text(" ", strip=True) for c in row.find_all("td")] for row in tree.select(".parameters tbody tr")]
    assert rows == [
        ["source", "not given", "what to ask"],
        ["canary", "v3 (given)", "version that is tried"],
        ["alpha", "0.02", "risk"],
        ["loud", "true (given)", "or not"],
    ]
    facts = dict(zip((t.get_text() for t in tree.select("dt")), (t.get_text() for t in tree.select("dd")), strict=True))
    assert facts["Run"] == "31 Jan 2026, 12:00 UTC, 3.2 s"
    assert facts["Notebook"] == "tiny"
    assert facts["Version"] == "meshlab 0.1.0"
    assert [d.summary.get_text() for d in tree.select("section details")].count("Code") == 2


def test_tables_scroll_and_keep_their_alignment() -> None:
    frame = pd.DataFrame({"who": ["<v1>", "v2"], "n": [1000, 2], "share": [0.5, None]})
    tree = parsed(markup.sanitised(Table(frame)._repr_html_()))
    assert tree.div["class"] == ["scroll"]
    assert [[c.get_text() for c in row.find_all(["td", "th"])] for row in tree.find_all("tr")] == [
        ["who", "n", "share"],
        ["<v1>", "1,000", "0.5"],
        ["v2", "2", "–"],
    ]
    assert [c.get_text() for c in tree.select(".n")] == ["n", "share", "1,000", "0.5", "2", "–"]


def test_tables_of_pandas_itself_keep_their_cells() -> None:
    html = """<style>p {}</style><table border="1" class="dataframe"><tr><th colspan="2">a</th></tr>
    <tr><th>p50</th><td onclick="x()">1</td></tr></table>"""
    tree = parsed(markup.sanitised(html))
    assert [c.get_text() for c in tree.find_all(["th", "td"])] == ["a", "p50", "1"]
    assert tree.table["class"] == ["dataframe"]


def test_endless_digits_are_kept_and_end() -> None:
    cell = f"{'1' * 40_000}x"  # minutes of back-tracking without a limit on a number's length
    assert cell in markup.sanitised(f"<table><tr><th>a</th></tr><tr><td>{cell}</td></tr></table>")


def test_the_contents_name_third_level_headings_too() -> None:
    nb = executed()
    nb.cells[-1].source = "## Evidence\n\n### In detail"
    tree = parsed(written(nb))
    assert [a.get_text() for a in tree.select("nav .sub a")] == ["In detail"]
    assert tree.find("h3", id="in-detail")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_inks_are_readable(scheme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", CSS, re.S)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for word in ("pass", "warn", "fail", "inconclusive"):
        assert contrast(colours[word], colours["paper"]) >= 7
        assert contrast(colours[word], colours[f"{word}-tint"]) >= 7
        assert contrast(colours["text"], colours[f"{word}-tint"]) >= 7
        assert contrast(colours["quiet"], colours[f"{word}-tint"]) >= 4.5
        if scheme == 0:
            assert colours[word] == results.INKS[word.upper()]
    assert contrast(colours["quiet"], colours["paper"]) >= 4.5
    assert contrast(colours["link"], colours["raised"]) >= 4.5
