"""The notebooks as they are committed: with their outputs, so that their pages need no kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import nbformat

from meshlab.reports.render import page
from meshlab.reports.render.content import of_notebook
from meshlab.reports.run.extraction import the_result
from meshlab.reports.run.parameters import declared

__all__ = ["NOTEBOOKS", "REPORTED", "committed", "page_of"]

NOTEBOOKS: Final = Path(__file__).parents[2] / "notebooks"
REPORTED: Final = ("canary-verdict", "retry-storm", "scaling-behaviour", "security-posture")


def committed(name: str) -> Any:
    """A notebook."""
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def page_of(name: str) -> str:
    """Its page."""
    notebook = committed(name)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    result = the_result(notebook, name)
    return page.render(of_notebook(notebook, result, name=name), result, parameters=declared(cell.source))
