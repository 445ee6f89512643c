"""Which notebooks there are, and where."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from meshlab import shipped
from meshlab.errors import ParameterError
from meshlab.escape import plain

__all__ = ["Listed", "available", "find"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A notebook that can be asked for by its bare name.

    Parameters
    ----------
    name : str
        The file's name without ``.ipynb``.
    title : str
        Its first heading; empty when it has none.
    path : Path
    """

    name: str
    title: str
    path: Path


def available(cwd: Path) -> list[Listed]:
    """The notebooks known by name from a folder, sorted by name; the nearest of each name."""
    return [Listed(name, _title(path), path) for name, path in sorted(_by_name(cwd).items())]


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
            raise ParameterError(f"there is no notebook at {plain(text)!r}", "check the path")
        return path
    known = _by_name(cwd)
    if text in known:
        return known[text]
    near = difflib.get_close_matches(text, known, 3)
    raise ParameterError(
        f"there is no notebook called {plain(text)!r}",
        f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}",
    )


def _by_name(cwd: Path) -> dict[str, Path]:
    places = list(shipped.places("notebooks", cwd.resolve()))
    return {path.stem: path for place in reversed(places) for path in place.glob("*.ipynb")}


def _title(path: Path) -> str:
    """The first heading, read without nbformat, which takes longer to import than a listing may take."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "".join(cells[0]["source"]).splitlines()
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "")
