"""Which notebooks there are, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meshlab.core import resources
from meshlab.core.documents import read_json
from meshlab.core.ownership import is_ours
from meshlab.core.suggest import suggest
from meshlab.errors import ParameterError, ReportError
from meshlab.reports.run.parameters import Parameter, declared

__all__ = ["NotebookInfo", "available", "find"]

_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class NotebookInfo:
    """A notebook that can be asked for by its bare name."""

    name: str
    """The file's name without ``.ipynb``."""
    title: str
    """Its first heading, which is the question; empty when it has none."""
    parameters: tuple[Parameter, ...]
    """What it may be asked with; empty when its file cannot be read."""
    path: Path
    question: str = ""
    """Which question it answers, as its metadata says; empty when it says none."""


def available(cwd: Path) -> list[NotebookInfo]:
    """The notebooks known by name from a folder, sorted by name; the nearest of each name."""
    return [_listed(name, path) for name, path in sorted(_by_name(cwd).items())]


def find(notebook: str | Path, cwd: Path) -> Path:
    """Find a notebook's file.

    Parameters
    ----------
    notebook : str or Path
        A path (with a ``/`` or ending in ``.ipynb``), or a bare name.
    cwd : Path
        What a relative path starts from, and where the search for a name begins.

    Raises
    ------
    ParameterError
        There is none.
    """
    text = str(notebook)
    if isinstance(notebook, Path) or "/" in text or text.endswith(".ipynb"):
        path = (cwd / notebook).resolve()
        if not path.is_file():
            raise ParameterError(f"there is no notebook at {text!r}", "check the path")
        return path
    known = _by_name(cwd)
    if text in known:
        return known[text]
    raise ParameterError(f"there is no notebook called {text!r}", suggest(text, sorted(known), 3))


def _by_name(cwd: Path) -> dict[str, Path]:
    places = list(resources.places("notebooks", cwd.resolve()))
    found = {path.stem: path for place in reversed(places) for path in place.glob("*.ipynb") if path.is_file()}
    return {name: path for name, path in found.items() if is_ours((path,), str(path))}


def _listed(name: str, path: Path) -> NotebookInfo:
    """Read without nbformat, which takes longer to import than a listing may take."""
    try:
        notebook = read_json(path, _LARGEST)
        cells, about = notebook["cells"], notebook.get("metadata", {}).get("meshlab", {})
        return NotebookInfo(name, _title(cells[0]), _parameters(cells), path, str(about.get("question", "")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ReportError):
        return NotebookInfo(name, "", (), path)


def _title(cell: dict[str, Any]) -> str:
    lines = "".join(cell["source"]).splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "")


def _parameters(cells: list[dict[str, Any]]) -> tuple[Parameter, ...]:
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    return declared("".join(tagged[0]["source"])) if tagged else ()
