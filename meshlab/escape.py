"""The one place that makes hostile text harmless.

Label values come from whoever names a workload: they may hold markup, Markdown, mathtext or terminal escapes.
"""

from __future__ import annotations

import html as _html
import re

__all__ = ["html", "markdown", "mathtext", "plain"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")


def plain(text: object) -> str:
    """One printable line: control characters (newlines, terminal escapes, bidi overrides) become spaces."""
    return _CONTROL.sub(" ", str(text))


def html(text: object) -> str:
    """Text for HTML, in element content and in quoted attributes."""
    return _html.escape(plain(text), quote=True)


def markdown(text: object) -> str:
    """Text for Markdown, table cells included."""
    return _MARKDOWN.sub(r"\\\1", _html.escape(plain(text), quote=False))


def mathtext(text: object) -> str:
    """Text for matplotlib, which would read a pair of dollar signs as mathematics."""
    return plain(text).replace("$", r"\$")
