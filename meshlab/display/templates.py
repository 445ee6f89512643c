"""Where text becomes HTML: whatever a template is given is made printable, and escaped, on its way in."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshlab.core import sanitize

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["render", "source"]

_LONGEST: Final = 1_000
# Nothing that a hostile name would put between two of its own backticks.
_CODE: Final = re.compile(r"`([\w.:/= -]{1,80})`")
_PERCENT: Final = re.compile(r"(?<=\d) %")


def render(name: str, /, *, package: str = __package__, **values: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    name : str
        The template's file.
    package : str
        The package that has it, beside those of this one.
    **values
        Texts need no care: labels may hold markup, template syntax or terminal escapes. What is HTML already comes as
        `markupsafe.Markup`, or is marked ``| safe`` in the template.
    """
    return _environment(package).get_template(name).render(**values)


def source(name: str, *, package: str = __package__) -> str:
    """The text of a template, or of a style sheet beside it."""
    env = _environment(package)
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loader = ChoiceLoader([PackageLoader(each, ".") for each in dict.fromkeys((package, __package__))])
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_printable)
    env.filters["kind"] = lambda word: str(word).lower().replace("_", "-")
    env.filters["words"] = lambda word: str(word).replace("_", " ")
    env.filters["coded"] = _coded
    env.filters["short"] = lambda text: sanitize.shortened(text, _LONGEST)
    return env


def _coded(text: object) -> Markup:
    """Text whose parts between backticks are code."""
    from markupsafe import Markup

    return Markup(_CODE.sub(r"<code>\1</code>", _joined(sanitize.html(text))))


def _printable(value: object) -> object:
    return value if hasattr(value, "__html__") else _joined(sanitize.plain(value))


def _joined(text: str) -> str:
    """No line breaks between a number and its per cent sign."""
    return _PERCENT.sub("\N{NARROW NO-BREAK SPACE}%", text)
