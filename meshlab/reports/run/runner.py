"""From a notebook and its parameters to a published folder with a verdict."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

import nbformat
from nbformat import NotebookNode
from nbformat.validator import normalize
from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning

from meshlab import config
from meshlab.core.files import atomic_folder, first_link
from meshlab.core.ownership import why_not_ours
from meshlab.core.results import Verdict
from meshlab.errors import ParameterError, ReportError
from meshlab.reports.metrics import exposition
from meshlab.reports.render.content import of_notebook
from meshlab.reports.render.page import render
from meshlab.reports.run.execution import execute
from meshlab.reports.run.extraction import the_result
from meshlab.reports.run.notebooks import find
from meshlab.reports.run.parameters import Parameter, convert, declared
from meshlab.reports.stored import read_result, report_files
from meshlab.reports.waivers.entries import waivers
from meshlab.reports.waivers.owners import owned, owners
from meshlab.reports.waivers.waiving import waive

__all__ = ["Outcome", "run"]

_FILES: Final = frozenset(
    {"report.ipynb", "report.html", "result.json", "message.md", "mail.html", "metrics.prom", "tables"}
)
_MODULES: Final = "modules_from"
"""The parameter of a notebook that imports its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gave."""

    verdict: Verdict
    result: Mapping[str, Any]
    """The summary, as in ``result.json``."""
    folder: Path
    """With `page`, ``report.ipynb``, ``result.json``, ``message.md``, ``mail.html``, ``metrics.prom``, ``tables/``."""
    page: Path
    """Its ``report.html``."""
    seconds: float
    """Wall time of the whole run."""
    source: str = ""
    """The value of the notebook's ``source`` parameter; empty when it has none."""


def run(
    notebook: str | Path,
    *,
    parameters: Mapping[str, str],
    out: Path,
    timeout_s: float = 600.0,
    cwd: Path | None = None,
    before: Path | None = None,
    report: str = "",
    next_run: Callable[[datetime], datetime] | None = None,
    clock: Callable[[], datetime] | None = None,
    tz: str = "",
) -> Outcome:
    """Run a notebook and publish it.

    Parameters
    ----------
    notebook : str or Path
        A path, or the bare name of a notebook that is near or comes with meshlab.
    parameters : mapping of str to str
        As typed; each is read as the type that the notebook declares for it.
    out : Path
        The report's folder. An older report there is replaced when the run went well, and stays when not.
    timeout_s : float
        Longest time that one cell may take.
    cwd : Path, optional
        The kernel's working folder and where names are looked up; the working folder when not given.
    before : Path, optional
        The folder of the report that the message compares with; what stands in `out` when not given.
    report : str
        The name of a report on a timer, for its metrics.
    next_run : callable, optional
        When it runs next after a moment, for its metrics.
    clock : callable, optional
        Says what time it is: when the report ran, and which waivers hold.
    tz : str
        The time zone that the page shows beside UTC; that of meshlab.toml when not given.

    Raises
    ------
    ConfigError
        meshlab.toml is wrong.
    ParameterError
        No such notebook, an unknown parameter, a value of the wrong type, or a folder that holds other things.
    MeshlabError
        What the notebook itself raised.
    ReportError
        The notebook did not run to its end, or displayed no result, or several.
    """
    begun = monotonic()
    here = (cwd or Path.cwd()).resolve()
    path = find(notebook, here)
    settings = config.load(here)
    known_waivers = waivers(settings)
    clock = clock or (lambda: datetime.now(UTC))
    target = here / out
    _check_is_ours(target, here)
    source = _read(path)
    known = _parameters(source, path.stem)
    given = convert(known, parameters)
    asked = {**{p.name: p.default for p in known}, **given}
    asked_of = str(asked.get("source", ""))
    with tempfile.TemporaryDirectory(prefix="meshlab-") as tables:
        modules = _modules(path, str(asked.get(_MODULES, "")))
        done = execute(
            source, given, name=path.stem, timeout_s=timeout_s, cwd=here, tables=Path(tables), modules=modules
        )
        result = waive(the_result(done, path.stem), known_waivers, at=clock())
        result = owned(result, owners(settings, asked_of, here))
        zone = tz or settings.tz
        content = of_notebook(done, result, name=path.stem, tz=zone)
        page = render(content, result, parameters=known, given=given, tz=zone)
        seconds = monotonic() - begun
        now = clock()
        metrics = exposition(
            result,
            notebook=path.stem,
            report=report,
            seconds=seconds,
            at_s=now.timestamp(),
            next_s=next_run(now).timestamp() if next_run else None,
        )
        files = report_files(result, page, before=read_result((before or target) / "result.json"))
        _publish(target, done, {**files, "metrics.prom": metrics.encode()}, Path(tables))
    return Outcome(
        verdict=Verdict(result["verdict"]),
        result=result,
        folder=out,
        page=out / "report.html",
        seconds=monotonic() - begun,
        source=asked_of,
    )


def _modules(notebook: Path, folder_name: str) -> Path | None:
    """The folder of the modules that a notebook says it needs, from its own folder on."""
    if not folder_name:
        return None
    folder = (notebook.parent / folder_name).resolve()
    if not folder.is_dir():
        raise ParameterError(f"there is no folder at {folder}, which {_MODULES} names", "check the path")
    if why := why_not_ours((folder, *folder.glob("*.py"))):
        raise ParameterError(f"modules are not taken from {folder}: {why}", "keep them in a folder of your own")
    return folder


def _publish(target: Path, done: NotebookNode, files: Mapping[str, bytes], tables: Path) -> None:
    """Write the whole folder, or nothing of it."""
    try:
        with atomic_folder(target) as folder:
            nbformat.write(done, folder / "report.ipynb")  # type: ignore[no-untyped-call]
            for name, content in files.items():
                (folder / name).write_bytes(content)
            # Not as a tree: the temporary folder is shut to others, and a page's tables are read like the page.
            (folder / "tables").mkdir()
            for table in tables.iterdir():
                (folder / "tables" / table.name).write_bytes(table.read_bytes())
    except OSError as e:
        raise ReportError(
            f"the report could not be written to {target}: {e.strerror or e}", "choose another folder with -o"
        ) from None


def _check_is_ours(target: Path, here: Path) -> None:
    """A report replaces a whole folder, so it must not be one that holds anything else, or lies behind a link."""
    if link := first_link(target, here):
        raise ParameterError(f"{link} is a link, and a report is not written through one", "name the folder itself")
    if target.is_dir():
        others = sorted(set(os.listdir(target)) - _FILES)
        if others:
            raise ParameterError(
                f"the folder {target} holds more than a report ({others[0]})",
                "choose a new folder, or an older report's, with -o",
            )
    elif target.exists():
        raise ParameterError(f"{target} is a file, not a folder", "choose another folder with -o")


def _read(path: Path) -> NotebookNode:
    try:
        with warnings.catch_warnings():
            # Notebooks made by hand lack cell ids or have one twice. Reading mends that; a job's stderr stays empty.
            for kind in (MissingIDFieldWarning, DuplicateCellId):
                warnings.simplefilter("ignore", category=kind)
            found: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
            found = normalize(found)[1]
            nbformat.validate(found)
    except (OSError, ValueError, RecursionError, nbformat.ValidationError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise ReportError(f"{path} is no notebook: {reason}", "open it in JupyterLab") from None
    return found


def _parameters(notebook: NotebookNode, name: str) -> tuple[Parameter, ...]:
    cells = [c for c in notebook.cells if c.cell_type == "code" and "parameters" in c.metadata.get("tags", ())]
    if len(cells) > 1:
        raise ReportError(f"notebook {name} has {len(cells)} cells tagged parameters, not one", "mend the notebook")
    return declared(cells[0].source) if cells else ()
