"""The one place that makes hostile text harmless.

Label values come from whoever names a workload: they may hold markup, Markdown, mathtext, formulas or terminal escapes.
"""

from __future__ import annotations

import html as _html
import re
from collections.abc import Mapping
from typing import Any, Final

from meshlab.errors import CONTROL

__all__ = [
    "address",
    "cell",
    "chat",
    "html",
    "json",
    "lines",
    "markdown",
    "mathtext",
    "plain",
    "printable",
    "shortened",
]

# What means something anywhere in a line, and a dot before a letter: it makes an address.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$]|\.(?=[^\W\d_])|(?<=\])\()")
# What makes a list, a quotation or a heading of a line that begins with it.
_BEGINS = re.compile(r"^(\s*(?:\d+(?=[.)](?:\s|$)))?)([-+=>.)])")

_FORMULA = re.compile(r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20]")
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]Inf|-")
LONGEST_LABEL: Final = 56
_MENTION = re.compile(r"(?<![\w@])@(?=\w)")


# What one does not see makes two names look alike: soft hyphens, joiners, fillers, variation selectors, tags.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def plain(text: object) -> str:
    """One printable line: control characters (newlines, terminal escapes, bidi overrides) become spaces.

    Characters without a width are written as their numbers, such as ``[U+200B]``.
    """
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", CONTROL.sub(" ", str(text)))


def address(typed: str) -> str:
    """What was typed as an address, as it may be repeated: scheme and host, since all else may be a secret."""
    scheme, there, rest = plain(typed).strip().rpartition("://")
    host = re.split(r"[/?#\s]", rest.rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme.rpartition('://')[2][-20:]}{there}{host}"


def printable(value: Any) -> Any:
    """A JSON value, each of whose texts is one printable line."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list | tuple) else value


def shortened(text: object, longest: int) -> str:
    """The beginning of a text that is longer than anybody reads, as one printable line."""
    whole = plain(text)
    return whole if len(whole) <= longest else whole[: longest - 1].rstrip() + "…"


def lines(text: str) -> str:
    """The same for text of several lines, which stay."""
    return "\n".join(map(plain, text.split("\n")))


def html(text: object) -> str:
    """Text for HTML, in element content and in quoted attributes."""
    return _html.escape(plain(text), quote=True)


def markdown(text: object) -> str:
    """Text for Markdown, table cells included."""
    one = plain(text).replace("&", "&amp;").replace("<", "&lt;")
    safe = _BEGINS.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", one))
    # Addresses become links and names become mentions whatever is escaped, unless they are no longer in one piece.
    return _MENTION.sub("@\u2060", safe.replace("://", r":\/\/"))


def chat(text: object) -> str:
    """Text for a chat message: an address in it is no link, and a name no mention."""
    broken = plain(text).replace("://", ":\u2060//")
    return re.sub(r"(?<=\w)\.(?=[^\W\d_])", "\u2060.", _MENTION.sub("@\u2060", broken))


def mathtext(text: object) -> str:
    """Text for matplotlib, which would read a pair of dollar signs as mathematics.

    At most `LONGEST_LABEL` characters, the middle left out: a label without end leaves no room for the figure.
    """
    one = plain(text)
    if len(one) > LONGEST_LABEL:
        half = LONGEST_LABEL // 2
        one = f"{one[:half]}…{one[1 - half :]}"
    return one.replace("$", r"\$")


def cell(text: object) -> str:
    """Text for a cell of a CSV file: a spreadsheet would compute what begins like a formula.

    Numbers, ``+Inf`` and the lone dash that stands for "none" stay as they are.
    """
    one = plain(text)
    return f"'{one}" if _FORMULA.match(one) and not _NUMBER.fullmatch(one) else one


def json(text: str) -> str:
    """A JSON text whose control characters are all escaped, those beyond ASCII included: it says the same."""
    return re.sub(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", lambda c: f"\\u{ord(c[0]):04x}", text)
