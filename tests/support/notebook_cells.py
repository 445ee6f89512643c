"""A notebook's cells, run in this process: what a kernel would show, without starting one."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from IPython.core.formatters import DisplayFormatter

__all__ = ["run_cells"]


def run_cells(path: Path, parameters: Mapping[str, object]) -> dict[str, Any]:
    """Run all code cells, show what each ends with, and return the names that they leave.

    Parameters
    ----------
    path : Path
    parameters : mapping of str to object
        Set after the cell that is tagged ``parameters``.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    formatter = DisplayFormatter()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(path), "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            names.update(parameters)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
            formatter.format(shown)
    return names
