"""Markdown and foreign HTML, made safe and readable for a page that runs nothing and loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import bleach
import mistune
from bleach.css_sanitizer import CSSSanitizer
from bs4 import BeautifulSoup, Tag
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from meshlab.core import sanitize

__all__ = ["Heading", "anchor", "code", "markdown", "sanitised"]

_TAGS: Final = frozenset(
    {"a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1"}
    | {
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "section",
        "small",
        "span",
        "strong",
    }
    | {"strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "var"}
)
_ATTRIBUTES: Final = {
    "*": ["style", "title"],
    "a": ["href"],
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan", "scope"],
    "table": ["class"],
}
# Their text is no text: stripping the tags alone would show it.
_NO_TEXT: Final = re.compile(r"<(script|style|template|noscript|iframe|object)\b.*?(</\1\s*>|\Z)", re.I | re.S)
_NUMBER: Final = re.compile(r"[+\-−]?[\d,]*\.?\d+(e[+\-]?\d+)?\s?(%|ms|s|points)?|nan|none|<na>|nat|inf|–|-|", re.I)
# No number is longer; hostile digits without an end would cost the expression above quadratic time.
_LONGEST_NUMBER: Final = 40


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the page.

    Parameters
    ----------
    anchor : str
        Its id.
    text : str
        Plain text, not escaped.
    level : int
        1 to 6.
    """

    anchor: str
    text: str
    level: int


class _Renderer(mistune.HTMLRenderer):
    """Headings get anchors that are unique on the page; images that would be loaded become their text."""

    def __init__(self, taken: set[str]) -> None:
        super().__init__(escape=True)
        self.taken = taken
        self.headings: list[Heading] = []

    def heading(self, text: str, level: int, **_: Any) -> str:
        words = BeautifulSoup(text, "html.parser").get_text()
        own = anchor(words, self.taken)
        self.headings.append(Heading(own, words, level))
        return f'<h{level} id="{own}">{text}</h{level}>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return sanitize.html(text or title or "")


def markdown(source: str, taken: set[str]) -> tuple[str, list[Heading]]:
    """Render Markdown; HTML inside it is shown as text.

    Parameters
    ----------
    source : str
    taken : set of str
        Anchors that the page has; new ones are added.

    Returns
    -------
    str, list of Heading
        Safe HTML, and its headings.
    """
    renderer = _Renderer(taken)
    html = cast("str", mistune.create_markdown(renderer=renderer, plugins=["table", "strikethrough"])(source))
    anchors = {**_ATTRIBUTES, **{f"h{n}": ["id"] for n in range(1, 7)}}
    return _finished(html, anchors), renderer.headings


def sanitised(html: str) -> str:
    """Foreign HTML with its text and tables, and without anything that runs, loads, styles or tracks."""
    return _finished(_NO_TEXT.sub("", html), _ATTRIBUTES)


def code(source: str) -> str:
    """Python with its syntax marked."""
    return str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True, classprefix="c-"))).rstrip("\n")


def _finished(html: str, attributes: dict[str, list[str]]) -> str:
    safe = bleach.clean(
        sanitize.lines(html),
        tags=_TAGS,
        attributes=attributes,
        protocols={"http", "https", "mailto"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=["text-align"]),
        strip=True,
        strip_comments=True,
    )
    tree = BeautifulSoup(safe, "html.parser")
    for link in tree.find_all("a"):
        _mend_link(link)
    for table in tree.find_all("table"):
        _mend_table(tree, table)
    return str(tree)


def _mend_link(link: Tag) -> None:
    """A link to a file of the notebook's folder leads nowhere from a report: its words stay."""
    href = str(link.get("href", ""))
    if href.startswith(("http://", "https://")):
        link["rel"] = "noreferrer noopener"
    elif not href.startswith(("#", "mailto:")):
        link.unwrap()


def _mend_table(tree: BeautifulSoup, table: Tag) -> None:
    """Right-align columns of numbers, drop pandas's row numbers, say what heads are of, and let it scroll in a box."""
    rows = [list(row.find_all(["td", "th"], recursive=False)) for row in table.find_all("tr")]
    body = [row for row in rows if any(c.name == "td" for c in row)]
    if "dataframe" in (table.get("class") or []) and body and _only_numbers_rows(body):
        for row in rows:
            row.pop(0).extract()
    if rows and not body:
        rows[-1][-1].parent.insert_after(_no_rows(tree, len(rows[-1])))  # type: ignore[union-attr]
    plain_grid = len({len(row) for row in rows}) == 1 and not table.find(colspan=True)
    for column in range(len(rows[0]) if plain_grid and body else 0):
        if _numeric(row[column] for row in body):
            for row in rows:
                row[column]["class"] = "n"
    for row in rows:
        for head in (c for c in row if c.name == "th" and not c.get("scope")):
            head["scope"] = "row" if any(c.name == "td" for c in row) else "col"
    table.attrs.pop("class", None)
    caption = table.find("caption")
    label = caption.get_text() if isinstance(caption, Tag) else "Table"
    table.wrap(tree.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label}))


def _no_rows(tree: BeautifulSoup, columns: int) -> Tag:
    row, cell = tree.new_tag("tr"), tree.new_tag("td", attrs={"colspan": str(columns)})
    cell.string = "no rows"
    row.append(cell)
    return row


def _only_numbers_rows(body: list[list[Tag]]) -> bool:
    return all(len(row) > 1 and row[0].name == "th" for row in body) and [row[0].get_text() for row in body] == [
        str(n) for n in range(len(body))
    ]


def _numeric(cells: Iterable[Tag]) -> bool:
    texts = [cell.get_text().strip() for cell in cells]
    return any(any(ch.isdigit() for ch in t) for t in texts) and all(
        len(t) <= _LONGEST_NUMBER and _NUMBER.fullmatch(t) for t in texts
    )


def anchor(words: str, taken: set[str]) -> str:
    """An id for a heading that nothing else on the page has; it is added to `taken`."""
    base = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "section"
    made, n = base, 2
    while made in taken:
        made, n = f"{base}-{n}", n + 1
    taken.add(made)
    return made
