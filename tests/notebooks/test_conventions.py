"""Every notebook keeps the conventions, and was committed with its outputs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from meshlab.results import MIME_TYPE

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROMQL = re.compile(r"istio_|envoy_|\brate\(|\bsum by\b|histogram_quantile")

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tagged(path: Path, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in code(path) if tag in cell.metadata.get("tags", [])]


def test_there_is_one_title_and_one_parameters_cell(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^# ", text, re.M)) == 1
    assert read(path).cells[0].source.startswith("# ")
    assert len(tagged(path, "parameters")) == 1
    assert read(path).metadata.meshlab.question


def test_parameters_are_plain_and_explained(path: Path) -> None:
    (cell,) = tagged(path, "parameters")
    lines = cell.source.splitlines()
    assert len(lines) <= 20
    assert all("  # " in line for line in lines)
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign)
        assert isinstance(ast.literal_eval(statement.value), int | float | str | bool)


def test_code_cells_are_thin(path: Path) -> None:
    for cell in code(path):
        if "parameters" in cell.metadata.get("tags", []):
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 8, cell.id
        assert not PROMQL.search(cell.source), cell.id
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda}, cell.id


def test_the_verdict_comes_before_any_figure(path: Path) -> None:
    kinds = [set(output.get("data", {})) for cell in code(path) for output in cell.outputs]
    verdict = next(i for i, mimes in enumerate(kinds) if MIME_TYPE in mimes)
    assert sum(MIME_TYPE in mimes for mimes in kinds) == 1
    assert not any("image/png" in mimes for mimes in kinds[:verdict])


def test_every_cell_ran_in_order_and_quietly(path: Path) -> None:
    assert [cell.execution_count for cell in code(path)] == list(range(1, len(code(path)) + 1))
    for cell in code(path):
        for output in cell.outputs:
            assert output.output_type in {"execute_result", "display_data"}, f"{cell.id}: {output.output_type}"


def test_only_the_run_information_is_not_compared(path: Path) -> None:
    assert [cell.id for cell in tagged(path, "nbval-ignore-output")] == ["run"]


def test_every_picture_has_a_text(path: Path) -> None:
    for cell in code(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert re.search(r"\d", alt), f"{cell.id}: the text has no number"


def test_it_is_small_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) <= 300_000
    assert not re.search(r"/(home|root|work|tmp|usr|Users)/", text)
    assert read(path).metadata.kernelspec.name == "python3"
    assert all("papermill" not in cell.metadata and "execution" not in cell.metadata for cell in read(path).cells)
