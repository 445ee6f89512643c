"""A result as text and as HTML, for notebooks and terminals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlab.core import sanitize
from meshlab.core.results import INKS, SHAPES, Result
from meshlab.display import templates
from meshlab.display.finding import shown
from meshlab.display.tables import Table

__all__ = ["findings_html", "to_html", "to_text"]

_INDENT = " " * 29


def to_text(summary: Mapping[str, Any]) -> str:
    """Verdict, headline and what to do; then a line a finding.

    Parameters
    ----------
    summary : mapping
        As `Result.to_dict` gives it.
    """
    verdict, action = str(summary["verdict"]), summary.get("action") or {}
    lines = [f"{SHAPES[verdict]} {verdict}  {summary['headline']}"]
    lines += [f"  ! {doubt}" for doubt in summary.get("doubts", ())]
    lines += [f"  -> {text}" for text in action.values() if text]
    for f in shown(summary):
        lines.append(f"  {f.shape} {f.word:<12} {f.code}  {f.statement}")
        lines += [f"{_INDENT}-> {text}" for text in (f.action, f.command) if text]
    return "\n".join(map(sanitize.plain, lines))


def to_html(summary: Mapping[str, Any]) -> str:
    """Verdict, headline and table of findings; still readable with style and classes stripped."""
    verdict = str(summary["verdict"])
    return templates.render(
        "result.html.j2",
        verdict=verdict,
        ink=INKS[verdict],
        shape=SHAPES[verdict],
        headline=summary["headline"],
        action=summary.get("action"),
        doubts=summary.get("doubts", ()),
        table=findings_html(summary, bare=True),
    )


def findings_html(summary: Mapping[str, Any], *, bare: bool = False) -> str:
    """The table of findings.

    Parameters
    ----------
    bare : bool
        Whether it stands where no style sheet of meshlab is, such as in a notebook.
    """
    return templates.render("findings.html.j2", findings=shown(summary), subject=summary["subject"], bare=bare)


Result.table_type = Table
Result.renderer = lambda summary: {"text/plain": to_text(summary), "text/html": to_html(summary)}
