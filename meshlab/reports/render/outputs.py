"""What a cell displayed, as HTML for the page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from nbformat import NotebookNode

from meshlab.core import sanitize
from meshlab.core.results import MIME_TYPE
from meshlab.display.figures import picture
from meshlab.reports.render import markup

__all__ = ["html"]

_PICTURES: Final = ("image/png", "image/jpeg")
_TERMINAL_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def html(output: NotebookNode, *, result: str, taken: set[str]) -> str:
    """Render one output.

    Parameters
    ----------
    result : str
        What stands where the Result was displayed.
    taken : set of str
        Anchors that the page has.

    Returns
    -------
    str
        Safe HTML; empty for nothing to show.
    """
    if output.output_type == "stream":
        return _text(output.text, output.name)
    if output.output_type == "error":
        return _text(f"{output.ename}: {output.evalue}", "stderr")
    data: Mapping[str, Any] = output.data
    if MIME_TYPE in data:
        return result
    for kind in _PICTURES:
        if kind in data:
            return _picture(kind, str(data[kind]), output.get("metadata", {}), str(data.get("text/plain", "")))
    if "text/html" in data:
        return f'<div class="output">{markup.sanitised(str(data["text/html"]))}</div>'
    if "text/markdown" in data:
        return f'<div class="output">{markup.markdown(str(data["text/markdown"]), taken)[0]}</div>'
    return _text(str(data.get("text/plain", "")), "stdout")


def _text(text: str, stream: str) -> str:
    lines = _TERMINAL_COLOURS.sub("", text).rstrip().split("\n")
    shown = "\n".join(sanitize.html(line.expandtabs(4)) for line in lines)
    return f'<pre class="text {sanitize.html(stream)}" tabindex="0">{shown}</pre>' if shown.strip() else ""


def _picture(kind: str, encoded: str, metadata: Mapping[str, Any], instead: str) -> str:
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return _text(instead, "stdout")
    alt = metadata.get(kind, {}).get("alt") or metadata.get("alt") or instead
    return picture(data, str(alt or "A figure without a description"), kind)
