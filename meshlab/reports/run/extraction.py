"""Find the one Result among a notebook's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nbformat import NotebookNode

from meshlab.core.results import MIME_TYPE, SCHEMA, Verdict
from meshlab.errors import ReportError

__all__ = ["the_result"]

_TEXTS: Final = ("question", "subject", "headline", "window", "source")


def the_result(notebook: NotebookNode, name: str) -> dict[str, Any]:
    """The summary that an executed notebook displayed.

    Parameters
    ----------
    name : str
        What the notebook is called, for messages.

    Returns
    -------
    dict
        As `meshlab.core.results.Result.to_dict` wrote it.

    Raises
    ------
    ReportError
        None, several, or one in another schema.
    """
    found = [
        output.data[MIME_TYPE]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if MIME_TYPE in output.get("data", {})
    ]
    if len(found) != 1:
        raise ReportError(
            f"notebook {name} displayed {len(found) or 'no'} result{'s' if len(found) > 1 else ''}, not one",
            "end exactly one cell with the Result",
        )
    result = found[0]
    if not _is_summary(result):
        schema = result.get("schema") if isinstance(result, Mapping) else None
        raise ReportError(
            f"the result of notebook {name} is in the schema {schema!r}, not a whole {SCHEMA}",
            "use the meshlab version that the notebook was written for",
        )
    return {str(key): value for key, value in result.items()}


def _is_summary(result: object) -> bool:
    return (
        isinstance(result, Mapping)
        and result.get("schema") == SCHEMA
        and result.get("verdict") in {v.value for v in Verdict}
        and all(isinstance(result.get(key), str) for key in _TEXTS)
        and isinstance(result.get("findings"), list)
        and all(isinstance(f, Mapping) and {"code", "verdict", "statement"} <= f.keys() for f in result["findings"])
    )
