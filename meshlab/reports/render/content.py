"""What a page shows below its verdict: the sections of a notebook, or those of a result by itself."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nbformat import NotebookNode

from meshlab.core import sanitize
from meshlab.core.results import Result
from meshlab.display import times
from meshlab.display.figures import Figure, picture
from meshlab.display.result import findings_html
from meshlab.display.tables import to_html
from meshlab.reports.render import markup, outputs
from meshlab.reports.render.markup import Heading

__all__ = ["Content", "of_notebook", "of_result"]

_SHOWN_AS_A_TABLE: Final = {"parameters", "injected-parameters"}
_ROWS: Final = 20


@dataclass(slots=True)
class Content:
    """A page's body, cut at its second-level headings."""

    title: str = ""
    lede: list[str] = field(default_factory=list)
    """HTML before the first heading."""
    setup: list[str] = field(default_factory=list)
    """The code of setting up, as HTML."""
    contents: list[Heading] = field(default_factory=list)
    sections: list[list[str]] = field(default_factory=list)
    """HTML."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    """What ran, for the foot of the page."""
    taken: set[str] = field(default_factory=lambda: {"title", "evidence"})
    """Anchors."""

    def add(self, *blocks: str) -> None:
        """HTML below the heading that came last."""
        (self.sections[-1] if self.sections else self.lede).extend(blocks)

    def add_heading(self, text: str, level: int = 2) -> None:
        """A heading with its place in the table of contents."""
        own = Heading(markup.anchor(text, self.taken), text, level)
        self.contents.append(own)
        if level == 2:
            self.sections.append([])
        self.add(f'<h{level} id="{own.anchor}">{sanitize.html(text)}</h{level}>')


def of_notebook(notebook: NotebookNode, summary: Mapping[str, Any], *, name: str, tz: str = "") -> Content:
    """The sections of an executed notebook.

    Parameters
    ----------
    notebook : NotebookNode
        With outputs.
    summary : mapping
        Of its Result, with waivers and owners.
    name : str
        What the notebook is called; the title of one without a heading.
    tz : str
        The time zone beside UTC; empty for none.
    """
    content, findings = Content(), findings_html(summary)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            _add_text(content, cell.source)
        elif cell.cell_type == "code":
            _add_code(content, cell, findings)
    content.title = content.title or name
    ran = notebook.metadata.get("papermill", {})
    python = notebook.metadata.get("language_info", {}).get("version") or platform.python_version()
    content.facts = [("Notebook", name), ("Run", _run(ran, tz)), ("Python", python)]
    return content


def of_result(
    title: str, result: Result, summary: Mapping[str, Any], figures: Iterable[Any], *, question: str
) -> Content:
    """A result by itself: its findings, figures, and the heads of its tables.

    Parameters
    ----------
    title : str
        The question in words.
    summary : mapping
        Of the result, with waivers and owners.
    figures : iterable
        Figures, and whatever else shows itself as HTML.
    question : str
        Its name.
    """
    content = Content(title, facts=[("Question", question), ("Python", platform.python_version())])
    content.add_heading("Verdict")
    content.add(findings_html(summary))
    if drawn := [_drawn(figure) for figure in figures]:
        content.add_heading("Figures")
        content.add(*drawn)
    if tables := {name: table for name, table in result.tables.items() if len(table)}:
        content.add_heading("Tables")
        for name, table in tables.items():
            content.add_heading(name.replace("_", " "), 3)
            content.add(markup.sanitised(to_html(table, rows=_ROWS)))
    return content


def _drawn(figure: Any) -> str:
    return picture(figure.png, figure.alt) if isinstance(figure, Figure) else markup.sanitised(figure._repr_html_())


def _add_text(content: Content, source: str) -> None:
    html, headings = markup.markdown(source, content.taken)
    tops = [h for h in headings if h.level == 1]
    if tops and not content.title:
        content.title = tops[0].text
        html = html[html.index("</h1>") + len("</h1>") :]
    content.contents += [h for h in headings if h.level in (2, 3)]
    if any(h.level == 2 for h in headings):
        content.sections.append([])
    content.add(html)


def _add_code(content: Content, cell: NotebookNode, findings: str) -> None:
    content.add(*(outputs.html(output, result=findings, taken=content.taken) for output in cell.outputs))
    if not cell.source.strip() or _SHOWN_AS_A_TABLE & set(cell.metadata.get("tags", ())):
        return
    folded = f'<details><summary>Code</summary><pre tabindex="0">{markup.code(cell.source)}</pre></details>'
    # Before the first heading there is only setting up, which nobody reads before the verdict.
    (content.sections[-1] if content.sections else content.setup).append(folded)


def _run(ran: Mapping[str, Any], tz: str) -> str:
    """When the notebook ran, and for how long."""
    if not (start := ran.get("start_time")):
        return ""
    began = datetime.fromisoformat(start).replace(microsecond=0)
    took = "" if ran.get("duration") is None else f", {ran['duration']:.1f} s"
    return f"{times.moment(began)}{f' ({times.moment(began, tz)})' if tz else ''}{took}"
