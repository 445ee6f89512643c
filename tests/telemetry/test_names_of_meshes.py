"""Only the dialects know a mesh by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import meshlab

PACKAGE = Path(meshlab.__file__).parent
MESHES = re.compile(r"istio|linkerd|envoy|ztunnel|citadel|hubble|cilium|kuma\b|consul\b", re.I)

ALLOWED = (
    # The dialects themselves; the lab emulates Istio with real Envoys.
    "telemetry/dialects/",
    "lab/",
    # Policies are read and written in the languages of those who enforce them, whichever mesh was measured.
    "questions/retries/lint.py",
    "questions/retries/routes.py",
    "questions/retries/proposal.py",
    "questions/retries/tables.py",
    "questions/retries/simulate/policy.py",
    # What a reader is told of a code.
    "questions/retries/codes.py",
    "questions/security/least_privilege/",
)


def words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names and texts of a module, but for what is written for readers: docstrings (and comments, which it has not)."""
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docs:
                yield line, text
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield line, name
            # Any other module that bears such a name answers for itself.
            case ast.ImportFrom(module=str(module)) if module.startswith("meshlab.telemetry"):
                yield line, " ".join([module, *(alias.name for alias in node.names)])


def test_no_module_but_a_dialect_names_a_mesh() -> None:
    named = [
        f"{path}:{line}: {text}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if not (path := file.relative_to(PACKAGE).as_posix()).startswith(ALLOWED)
        for line, text in words(ast.parse(file.read_text()))
        if MESHES.search(text)
    ]
    assert named == []
