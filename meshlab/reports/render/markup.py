"""Markdown and foreign HTML, made safe and readable for a page that runs nothing and loads nothing."""

from __future__ import annotations

import html as _html
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import mistune
import nh3
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from meshlab.core import sanitize

__all__ = ["Heading", "anchor", "code", "markdown", "sanitised", "text_of"]

_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
_TAGS: Final = frozenset(
    # Neither what loads, nor what the page itself is divided by.
    nh3.ALLOWED_TAGS - {"area", "article", "aside", "bdo", "footer", "header", "img", "map", "nav"} | {"tfoot"}
)
# Their text is no text: stripping the tags alone would show it.
_NO_TEXT: Final = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg"})
_ATTRIBUTES: Final = {
    "a": {"href"},
    "td": {"colspan", "rowspan", "style"},
    "th": {"colspan", "rowspan", "style", "scope"},
}
_CLASSES: Final = {"table": {"dataframe"}, "td": {"n"}, "th": {"n"}}
_HEAD: Final = re.compile(r"<thead>.*?</thead>", re.S)
_NO_SCOPE: Final = re.compile(r"<th(?=[ >])(?![^>]* scope=)")
_NOWHERE: Final = re.compile(r'<a rel="noreferrer noopener">(.*?)</a>', re.S)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the page."""

    anchor: str
    """Its id."""
    text: str
    """Plain text, not escaped."""
    level: int
    """1 to 6."""


class _Renderer(mistune.HTMLRenderer):
    """Headings get anchors that are unique on the page; images that would be loaded become their text."""

    def __init__(self, taken: set[str]) -> None:
        super().__init__(escape=True)
        self.taken = taken
        self.headings: list[Heading] = []

    def heading(self, text: str, level: int, **_: Any) -> str:
        words = text_of(text)
        own = anchor(words, self.taken)
        self.headings.append(Heading(own, words, level))
        return f'<h{level} id="{own}">{text}</h{level}>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return sanitize.html(text or title or "")


def markdown(source: str, taken: set[str]) -> tuple[str, list[Heading]]:
    """Render Markdown; HTML inside it is shown as text.

    Parameters
    ----------
    taken : set of str
        Anchors that the page has; new ones are added.

    Returns
    -------
    str, list of Heading
        Safe HTML, and its headings.
    """
    renderer = _Renderer(taken)
    html = cast("str", mistune.create_markdown(renderer=renderer, plugins=["table", "strikethrough"])(source))
    return _finished(_cleaner(ids=True).clean(sanitize.lines(html))), renderer.headings


def sanitised(html: str) -> str:
    """Foreign HTML with its text and tables, and without anything that runs, loads, styles or tracks."""
    return _finished(_cleaner(ids=False).clean(sanitize.lines(html)))


def text_of(html: str) -> str:
    """The text of HTML, unescaped."""
    return _html.unescape(nh3.clean(html, tags=set()))


def code(source: str) -> str:
    """Python with its syntax marked."""
    return str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True, classprefix="c-"))).rstrip("\n")


@cache
def _cleaner(*, ids: bool) -> nh3.Cleaner:
    own = {heading: {"id"} for heading in _HEADINGS} if ids else {}
    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_NO_TEXT),
        attributes={**_ATTRIBUTES, **own},
        allowed_classes=_CLASSES,
        filter_style_properties={"text-align"},
        url_schemes={"http", "https", "mailto"},
        # A file of the notebook's folder is not where the report is.
        url_relative=lambda address: address if address.startswith("#") else None,
        link_rel="noreferrer noopener",
    )


def _finished(safe: str) -> str:
    """Links that lead nowhere become their words; tables scroll, and their heads have a scope."""
    # What was cleaned spells every tag in one way.
    safe = _NOWHERE.sub(r"\1", safe)
    safe = _HEAD.sub(lambda head: _NO_SCOPE.sub('<th scope="col"', head[0]), safe)
    safe = _NO_SCOPE.sub('<th scope="row"', safe)
    safe = re.sub(r"(?=<table\b)", '<div class="scroll" tabindex="0" role="region" aria-label="Table">', safe)
    return safe.replace("</table>", "</table></div>")


def anchor(words: str, taken: set[str]) -> str:
    """An id for a heading that nothing else on the page has; it is added to `taken`."""
    base = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "section"
    made, n = base, 2
    while made in taken:
        made, n = f"{base}-{n}", n + 1
    taken.add(made)
    return made
