"""Run a notebook to its end, or say in one sentence why it did not get there."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from meshlab.core.running import unlogged
from meshlab.errors import MeshlabError, ReportError, error_named
from meshlab.reports.run.parameters import Value

__all__ = ["execute"]

_OWN_CELL: Final = "meshlab-own"
_NOT_THE_AUTHORS: Final = {"injected-parameters", "papermill-error-cell-tag", _OWN_CELL}
_LONGEST_MESSAGE: Final = 1_000


def execute(
    notebook: NotebookNode,
    parameters: Mapping[str, Value],
    *,
    name: str,
    timeout_s: float,
    cwd: Path,
    tables: Path,
    modules: Path | None = None,
) -> NotebookNode:
    """Execute a notebook in a kernel of its own.

    Parameters
    ----------
    notebook : NotebookNode
        Not changed.
    parameters : mapping of str to value
        Put into a cell after the ``parameters`` cell.
    name : str
        What the notebook is called, for messages.
    timeout_s : float
        Longest time that one cell may take.
    cwd : Path
        The kernel's working folder.
    tables : Path
        Where the result's tables are written.
    modules : Path, optional
        A folder of modules that the notebook imports. They take nobody's place: it is looked at last.

    Returns
    -------
    NotebookNode
        With outputs, and papermill's metadata on times and parameters.

    Raises
    ------
    MeshlabError
        What the notebook raised, when it is one of meshlab's errors.
    ReportError
        Another exception, a time-out, or a kernel that died.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from meshlab.reports.run.kernel import managers, settings

    # Papermill and the kernel's client log what is also raised; a report has one voice.
    quiet = unlogged("papermill", "traitlets", "asyncio")
    with quiet, tempfile.TemporaryDirectory(prefix="meshlab-") as folder, managers() as manager:
        saved = Path(folder) / "notebook.ipynb"
        try:
            done: NotebookNode = papermill.execute_notebook(
                _with_own_cells(notebook, tables, modules),
                None if "{" in folder else saved,  # papermill would fill in braces
                parameters=dict(parameters),
                kernel_name="python3",
                progress_bar=False,
                cwd=cwd,
                start_timeout=60,
                execution_timeout=max(1, round(timeout_s)),
                kernel_manager_class=manager,
                config=settings(Path(folder)),
            )
        except PapermillExecutionError as e:
            raise _raised(e, name, saved) from None
        except CellTimeoutError:
            raise ReportError(
                f"notebook {name} did not finish {_stopped_in(saved)} within {timeout_s:g} s",
                "ask about a shorter window, or allow more time with --timeout",
            ) from None
        except DeadKernelError:
            raise ReportError(
                f"the kernel of notebook {name} died in {_stopped_in(saved)}",
                "the machine may be short of memory: ask about a shorter window",
            ) from None
        except RuntimeError as e:
            if "Kernel" not in str(e):
                raise
            raise ReportError(
                f"no kernel could be started for notebook {name}: {e}", "check the installation of ipykernel"
            ) from None
        done.cells = [cell for cell in done.cells if _OWN_CELL not in cell.metadata.get("tags", ())]
        done.metadata.papermill.input_path = name
        done.metadata.papermill.output_path = ""  # paths are a matter of this machine
        return done


def _with_own_cells(notebook: NotebookNode, tables: Path, modules: Path | None) -> NotebookNode:
    """The notebook with a cell that writes the tables of the shown result, and one before that finds its modules.

    They are taken out again.
    """
    source = (
        "from pathlib import Path\nfrom meshlab.core.results import Result\n"
        "for name, data in Result.last_shown.parquet() if Result.last_shown else ():\n"
        f"    Path({str(tables)!r}, f'{{name}}.parquet').write_bytes(data)"
    )
    first = [_own_cell(f"import sys\nsys.path.append({str(modules)!r})")] if modules else []
    more = copy.copy(notebook)
    more.cells = [*first, *notebook.cells, _own_cell(source)]
    return more


def _own_cell(source: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(source, metadata={"tags": [_OWN_CELL]})  # type: ignore[no-untyped-call]
    return cell


def _raised(error: Any, name: str, saved: Path) -> MeshlabError:
    own = error_named(error.ename)
    if own is not None:
        return own(error.evalue)
    message = str(error.evalue)[:_LONGEST_MESSAGE] or "no message"
    return ReportError(f"notebook {name} stopped in {_stopped_in(saved)}: {error.ename}: {message}")


def _stopped_in(saved: Path) -> str:
    """The last cell that was begun, counted as its author sees it."""
    try:
        cells = nbformat.read(saved, as_version=4).cells  # type: ignore[no-untyped-call]
    except (OSError, ValueError):
        return "a cell"
    authors = [cell for cell in cells if not _NOT_THE_AUTHORS & set(cell.metadata.get("tags", ()))]
    begun = [n for n, cell in enumerate(authors, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    return f"cell {begun[-1]} ({authors[begun[-1] - 1].get('id', 'without an id')})" if begun else "a cell"
