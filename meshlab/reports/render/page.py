"""The published page: an executed notebook with its verdict first, in one file that runs and loads nothing."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from nbformat import NotebookNode

import meshlab
from meshlab.core import results, sanitize
from meshlab.reports.render import markup, outputs
from meshlab.reports.render.local import local
from meshlab.reports.render.markup import Heading
from meshlab.reports.run.parameters import Parameter, Value
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["render", "templates"]

SHAPES: Final = results.SHAPES
# Units that are read from the number itself: "0.54", not "0.54 probability".
_BARE: Final = {"share", "probability"}
_TOLD_BY_THE_TABLE: Final = {"parameters", "injected-parameters"}


@dataclass(slots=True)
class _Content:
    """The notebook, cut at its second-level headings."""

    title: str = ""
    lede: list[str] = field(default_factory=list)
    contents: list[Heading] = field(default_factory=list)
    sections: list[list[str]] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)


def render(
    notebook: NotebookNode,
    result: Mapping[str, Any],
    *,
    name: str,
    parameters: Sequence[Parameter] = (),
    given: Mapping[str, Value] | None = None,
    tz: str = "",
) -> str:
    """Write the page of an executed notebook.

    Parameters
    ----------
    notebook : NotebookNode
        With outputs.
    result : mapping
        The summary of its Result.
    name : str
        What the notebook is called; the title of one without a heading.
    parameters : sequence of Parameter
        What it may be asked with.
    given : mapping of str to value, optional
        What it was asked with, where that differs from the defaults.
    tz : str
        Times stand in this zone too, beside UTC; empty for UTC alone.

    Returns
    -------
    str
        A whole HTML document.
    """
    shown = _plain(result)
    taken = {"title", "evidence"}
    content = _content(notebook, _findings(shown), taken)
    anchor = markup.anchor("Parameters", taken)
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            version=meshlab.__version__,
            css=_css(),
            shapes=SHAPES,
            result=shown,
            without=in_words(shown),
            waivers=[text for text in (count_line(shown), *notes(shown)) if text],
            title=content.title or sanitize.plain(name),
            contents=[*content.contents, Heading(anchor, "Parameters", 2)],
            lede="".join(content.lede),
            sections=content.sections,
            setup="".join(content.setup),
            parameters=_parameters(parameters, given or {}),
            parameters_anchor=anchor,
            facts=_facts(notebook, shown, name, tz),
            local=local(str(shown["window"]), tz),
            tz=sanitize.plain(tz),
        )
    )


def _content(notebook: NotebookNode, findings: str, taken: set[str]) -> _Content:
    content = _Content()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            _add_text(content, cell.source, taken)
        elif cell.cell_type == "code":
            _add_code(content, cell, findings, taken)
    return content


def _add_text(content: _Content, source: str, taken: set[str]) -> None:
    html, headings = markup.markdown(source, taken)
    tops = [h for h in headings if h.level == 1]
    if tops and not content.title:
        content.title = tops[0].text
        html = html[html.index("</h1>") + len("</h1>") :]
    chapters = [h for h in headings if h.level == 2]
    content.contents += [h for h in headings if h.level in (2, 3)]
    if chapters:
        content.sections.append([])
    (content.sections[-1] if content.sections else content.lede).append(html)


def _add_code(content: _Content, cell: NotebookNode, findings: str, taken: set[str]) -> None:
    shown = [outputs.html(output, result=findings, taken=taken) for output in cell.outputs]
    told = bool(_TOLD_BY_THE_TABLE & set(cell.metadata.get("tags", ())))
    code = "" if told or not cell.source.strip() else _folded(cell.source)
    if content.sections:
        content.sections[-1] += [*shown, code]
    else:
        # Before the first heading there is only setting up, which nobody reads before the verdict.
        content.lede += shown
        content.setup.append(code)


def _folded(source: str) -> str:
    return f'<details><summary>Code</summary><pre tabindex="0">{markup.code(source)}</pre></details>'


def _findings(result: Mapping[str, Any]) -> str:
    whose = result.get("owner", "")
    rows = [
        {
            "required": True,
            "action": None,
            "query": "",
            "waived": None,
            **f,
            "other": f["owner"] if f.get("owner", whose) != whose else "",
            "measured": _measure(f.get("value"), f),
            "interval": _interval(f),
            "level": "" if f.get("level") is None else f"{100 * f['level']:g} %",
            "threshold": _measure(f.get("threshold"), f),
        }
        for f in result["findings"]
    ]
    template = templates().get_template("findings.html.j2")
    return template.render(findings=rows, shapes=SHAPES, subject=result["subject"])


def _measure(value: float | None, finding: Mapping[str, Any]) -> str:
    unit = str(finding.get("unit") or "")
    return "" if value is None else f"{_number(value)} {'' if unit in _BARE else unit}".rstrip()


def _interval(finding: Mapping[str, Any]) -> str:
    ends = finding.get("interval")
    if not ends:
        return ""
    low, high = ("not bounded" if end is None else _number(end) for end in ends)
    return f"{low} to {high}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _parameters(parameters: Sequence[Parameter], given: Mapping[str, Value]) -> list[dict[str, object]]:
    return [
        {"name": p.name, "value": _typed(given.get(p.name, p.default)), "help": p.help, "given": p.name in given}
        for p in parameters
    ]


def _typed(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else sanitize.plain(value)


def _facts(notebook: NotebookNode, result: Mapping[str, Any], name: str, tz: str) -> list[tuple[str, str]]:
    ran = notebook.metadata.get("papermill", {})
    took = ran.get("duration")
    near = local(str(ran.get("start_time", "")).replace(" ", "T"), tz)
    own = f" ({near})" if near else ""
    facts = [
        ("Notebook", sanitize.plain(name)),
        ("Source", result["source"]),
        ("Window", result["window"]),
        ("Owner", result.get("owner", "")),
        ("Run", f"{_utc(ran.get('start_time'))}{own}{'' if took is None else f', {took:.1f} s'}"),
        ("Versions", f"meshlab {meshlab.__version__}, Python {_python(notebook)}"),
    ]
    return [(key, value) for key, value in facts if value]


def _utc(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _python(notebook: NotebookNode) -> str:
    return sanitize.plain(notebook.metadata.get("language_info", {}).get("version") or platform.python_version())


def _plain(value: Any) -> Any:
    """The summary with every text made one printable line."""
    if isinstance(value, str):
        return sanitize.plain(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@cache
def templates() -> Environment:
    """Where the pages' templates are; all text in them is escaped."""
    made = Environment(
        loader=PackageLoader("meshlab.reports.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    made.filters["kind"] = lambda word: str(word).lower().replace("_", "-")
    return made


@cache
def _css() -> str:
    loader = templates().loader
    assert loader is not None
    return loader.get_source(templates(), "page.css")[0]
