"""What every notebook keeps to, so that it reads as a report, runs on a timer, and can be published.

Each rule has a name, and looks at one notebook with its outputs; nothing is run.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import nbformat
from nbformat import NotebookNode

from meshlab.core.results import MIME_TYPE
from meshlab.errors import ReportError
from meshlab.reports.run.parameters import declared

__all__ = ["LINES", "RULES", "Broken", "check", "check_folder"]

LINES: Final = 8
"""Of a code cell, blank ones and the parameters not counted."""
PARAMETERS: Final = 30
"""Of the parameters cell: every setting of a question stands in it."""
BYTES: Final = 300_000
"""Of a notebook with its outputs."""
_RESULTS: Final = frozenset({"execute_result", "display_data"})
_PICTURES: Final = ("image/png", "image/jpeg", "image/svg+xml")
_PROMQL: Final = re.compile(r"\w_(total|bucket)\b|\brate\(|\bsum by\b|histogram_quantile")
_PATH: Final = re.compile(r"(?<![\w/.:-])/(home|root|work|tmp|usr|Users|var|opt|mnt|private)/|\b[A-Z]:\\+Users")
_ADDRESS: Final = re.compile(r"<[\w.]+ (object )?at 0x[0-9a-f]+>")
_TAG: Final = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.S | re.I)
_SECRET: Final = re.compile(
    r"://[^/\s:@\"'\\]+:[^/\s@\"'\\]+@"  # an address with a password
    r"|\b(Bearer|Basic)\s+[A-Za-z0-9+/_.~-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."  # a JSON web token
    r"|\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|glpat-[\w-]{15,}|xox[abprs]-[\w-]{10,}|glsa_\w{20,})"
    r"|\b\w*(password|passwd|secret|token|api_?key)\w*\s*=\s*\\?[\"'][^\"'\\]+",
    re.I,
)
_LOGIC: Final = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.AsyncFor, ast.While, ast.If),
    *(ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match, ast.Assert, ast.Delete, ast.Global),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.Yield, ast.NamedExpr, ast.JoinedStr),
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a notebook does not keep to."""

    rule: str
    """One of `RULES`."""
    cell: str
    """The id of the cell; empty where it is about the whole."""
    what: str
    """A few words."""

    def __str__(self) -> str:
        return f"{self.rule}: {f'cell {self.cell}: ' if self.cell else ''}{self.what}"


Found = Iterator[tuple[str, str]]
Rule = Callable[[NotebookNode], Found]


def check(notebook: NotebookNode, *, without: frozenset[str] = frozenset()) -> list[Broken]:
    """Look at a notebook by every rule.

    Parameters
    ----------
    notebook : NotebookNode
        With its outputs.
    without : frozenset of str
        Rules that are not asked for: a page with controls has no verdict of its own before somebody chooses.

    Returns
    -------
    list of Broken
        Empty for one that keeps to all.
    """
    return [
        Broken(name, cell, what) for name, rule in RULES.items() if name not in without for cell, what in rule(notebook)
    ]


def check_folder(folder: Path, *, without: frozenset[str] = frozenset()) -> dict[str, list[Broken]]:
    """Look at all notebooks of a folder; those that keep to all rules are left out.

    Raises
    ------
    ReportError
        A file is no notebook, or the folder has none.
    """
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise ReportError(f"there is no notebook in {folder}", "name the folder that holds them")
    found = {}
    for path in paths:
        try:
            notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ReportError(f"{path.name} is no notebook: {error}", "open it in JupyterLab") from None
        found[path.name] = check(notebook, without=without)
    return {name: broken for name, broken in found.items() if broken}


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _outputs(notebook: NotebookNode) -> Iterator[tuple[str, Mapping[str, Any], NotebookNode]]:
    for cell in _code(notebook):
        for output in cell.outputs:
            yield cell.id, output.get("data", {}), output


def _title(notebook: NotebookNode) -> Found:
    headings: list[tuple[str, int]] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings += [(cell.id, len(h)) for h in re.findall(r"^(#{1,6}) ", cell.source, re.M)]
    if [level for _, level in headings].count(1) != 1 or not notebook.cells[0].source.startswith("# "):
        yield "", "it does not begin with its one title"
    for (_, before), (cell, level) in pairwise(headings):
        if level > before + 1:
            yield cell, "a heading leaves out a level"


def _question(notebook: NotebookNode) -> Found:
    if not notebook.metadata.get("meshlab", {}).get("question"):
        yield "", "its metadata do not name its question"


def _parameters(notebook: NotebookNode) -> Found:
    cells = [cell for cell in _code(notebook) if "parameters" in _tags(cell)]
    if len(cells) != 1:
        yield "", f"{len(cells)} cells are tagged parameters, not one"
    for cell in _code(notebook):
        if "injected-parameters" in _tags(cell):
            yield cell.id, "parameters of a run were left in it"
    for cell in cells:
        try:
            found = declared(cell.source)
        except ReportError as error:
            yield cell.id, error.what
            continue
        if len(cell.source.splitlines()) > PARAMETERS:
            yield cell.id, f"it has more than {PARAMETERS} lines"
        for parameter in found:
            if not parameter.help:
                yield cell.id, f"{parameter.name} is not explained"


def _short_cells(notebook: NotebookNode) -> Found:
    for cell in _code(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if "parameters" not in _tags(cell) and len(lines) > LINES:
            yield cell.id, f"it has {len(lines)} lines, more than {LINES}"


def _no_logic(notebook: NotebookNode) -> Found:
    for cell in _code(notebook):
        try:
            nodes = list(ast.walk(ast.parse(cell.source)))
        except SyntaxError:
            yield cell.id, "it is no plain Python"
            continue
        for kind in sorted({type(node).__name__ for node in nodes if isinstance(node, _LOGIC)}):
            yield cell.id, f"{kind} belongs into the library"
        if _PROMQL.search(cell.source):
            yield cell.id, "a query belongs into the library"


def _in_order(notebook: NotebookNode) -> Found:
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield "", f"its cells were not run once each, in order: {counts}"


def _quiet(notebook: NotebookNode) -> Found:
    for cell, _, output in _outputs(notebook):
        # What is printed on purpose is text for everybody; what is left on stderr is nobody's.
        if output.output_type not in _RESULTS and output.get("name") != "stdout":
            yield cell, f"it left {output.get('name', output.output_type)}"


def _verdict_first(notebook: NotebookNode) -> Found:
    kinds = [set(data) for _, data, _ in _outputs(notebook)]
    verdicts = [n for n, mimes in enumerate(kinds) if MIME_TYPE in mimes]
    if len(verdicts) != 1:
        yield "", f"it shows {len(verdicts)} results, not one"
    elif any(mimes & set(_PICTURES) for mimes in kinds[: verdicts[0]]):
        yield "", "a figure stands before the verdict"


def _compared(notebook: NotebookNode) -> Found:
    for cell in _code(notebook):
        skipped = {tag for tag in _tags(cell) if tag.startswith("nbval-")}
        if skipped and cell.id != "run":
            yield cell.id, f"{', '.join(sorted(skipped))}: only the run information is not compared"
        if "NBVAL_" in cell.source:
            yield cell.id, "a comment keeps nbval from comparing"


def _alternative_texts(notebook: NotebookNode) -> Found:
    for cell, data, output in _outputs(notebook):
        for kind in _PICTURES:
            if kind in data:
                alt = str(output.metadata.get(kind, {}).get("alt", ""))
                if not re.search(r"\d", alt):
                    yield cell, "the text of its picture has no number" if alt else "its picture has no text"


def _readable(notebook: NotebookNode) -> Found:
    """With every style, class and script stripped, as on GitHub or in a terminal."""
    for cell, data, output in _outputs(notebook):
        if output.output_type not in _RESULTS:
            continue
        plain = str(data.get("text/plain", ""))
        if not plain.strip() or _ADDRESS.search(plain):
            yield cell, "its output says nothing as plain text"
            continue
        source = str(data.get("text/html", ""))
        if not source:
            continue
        text = html.unescape(_TAG.sub(" ", source))
        if MIME_TYPE in data:
            shown = [str(data[MIME_TYPE].get(name, "")) for name in ("verdict", "headline")]
            flat = " ".join(text.split())
            if not all(" ".join(part.split()) in flat for part in shown):
                yield cell, "without styles, verdict and headline are not in its HTML"
        heads = re.findall(r"<th[^>]*>([^<]+)</th>", source.partition("</thead>")[0])
        lost = [html.unescape(head) for head in heads if html.unescape(head) not in plain]
        if MIME_TYPE not in data and 'class="dataframe"' in source and lost and "..." not in plain:
            yield cell, f"as plain text, its table lacks {', '.join(lost[:3])}"


def _anywhere(notebook: NotebookNode) -> Found:
    text = _text(notebook)
    if found := _PATH.search(text):
        yield "", f"it names a folder of a machine ({found[0].strip()})"
    if len(text) > BYTES:
        yield "", f"it has {len(text):,} bytes, more than {BYTES:,}"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "", "its kernel is not python3"
    for cell in notebook.cells:
        if {"papermill", "execution"} & set(cell.metadata):
            yield cell.id, "traces of a run were left in its metadata"


def _no_secret(notebook: NotebookNode) -> Found:
    if found := _SECRET.search(_text(notebook)):
        yield "", f"it may hold a secret ({found[0][:12]}...)"


def _text(notebook: NotebookNode) -> str:
    return str(nbformat.writes(notebook, version=4))  # type: ignore[no-untyped-call]


_RULES: Final = (
    *(_title, _question, _parameters, _short_cells, _no_logic, _in_order, _quiet, _verdict_first),
    *(_compared, _alternative_texts, _readable, _anywhere, _no_secret),
)
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {rule.__name__.removeprefix("_").replace("_", " "): rule for rule in _RULES}
)
"""The rules by their names."""
