"""The published page: the verdict first, then its evidence, in one file that runs and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import meshlab
from meshlab.core.results import SHAPES
from meshlab.display import templates, times
from meshlab.reports.render import markup
from meshlab.reports.render.content import Content
from meshlab.reports.render.markup import Heading
from meshlab.reports.run.parameters import Parameter, Value
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["render", "style"]


def render(
    content: Content,
    result: Mapping[str, Any],
    *,
    parameters: Sequence[Parameter] = (),
    given: Mapping[str, Value] | None = None,
    tz: str = "",
) -> str:
    """Write a page.

    Parameters
    ----------
    content : Content
        Of a notebook, or of a result by itself.
    result : mapping
        The summary.
    parameters : sequence of Parameter
        What may be asked with.
    given : mapping of str to value, optional
        What was asked with, where that differs from the defaults.
    tz : str
        Times stand in this zone too, beside UTC; empty for UTC alone.

    Returns
    -------
    str
        A whole HTML document.
    """
    anchor = markup.anchor("Parameters", content.taken)
    about = [("Source", result["source"]), ("Window", result["window"]), ("Owner", result.get("owner", ""))]
    about += list(result.get("store", {}).items())
    facts = [*about, *content.facts, ("Version", f"meshlab {meshlab.__version__}")]
    return templates.render(
        "page.html.j2",
        package=__package__,
        version=meshlab.__version__,
        css=style("page.css"),
        shapes=SHAPES,
        result=result,
        action=result.get("action") or {},
        doubts=result.get("doubts", ()),
        without=in_words(result),
        waivers=[text for text in (count_line(result), *notes(result)) if text],
        content=content,
        contents=[*content.contents, Heading(anchor, "Parameters", 2)],
        parameters=_parameters(parameters, given or {}),
        parameters_anchor=anchor,
        facts=[(name, value) for name, value in facts if value],
        window=times.window(str(result["window"])),
        local=times.window(str(result["window"]), tz, length=False) if tz else "",
    )


def style(*names: str) -> str:
    """The style sheets of these names."""
    return "".join(templates.source(name, package=__package__) for name in names)


def _parameters(parameters: Sequence[Parameter], given: Mapping[str, Value]) -> list[dict[str, object]]:
    known = {p.name: p for p in parameters}
    return [
        {
            "name": name,
            "value": str(value).lower() if isinstance(value, bool) else value,
            "help": known[name].help if name in known else "",
            "given": name in given,
        }
        for name, value in {**{p.name: p.default for p in parameters}, **given}.items()
    ]
