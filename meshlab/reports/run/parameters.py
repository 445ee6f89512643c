"""What a notebook may be asked with: the declarations of its ``parameters`` cell, and values typed for them."""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.core.suggest import suggest
from meshlab.errors import ParameterError, ReportError

__all__ = ["Parameter", "Value", "convert", "declared"]

Value = str | int | float | bool

_WORDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_INT: Final = re.compile(r"[+-]?\d{1,18}")
_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Bytes that were no UTF-8 on the command line.
_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
_BOOLS: Final = {"true": True, "false": False}
_TYPES: Final[dict[str, type[Value]]] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declaration: ``name = default  # help``, or ``name: type = default  # help``."""

    name: str
    default: Value
    """Its type is the parameter's type."""
    help: str = ""
    """The trailing comment."""

    @property
    def typed(self) -> str:
        """The default as one would type it after ``-p name=``."""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def parse(self, text: str) -> Value:
        """Read a typed value as this parameter's type; text is never evaluated.

        Raises
        ------
        ParameterError
            The text is no such value.
        """
        kind = type(self.default)
        bare = text.strip()
        if kind is bool and bare.lower() in _BOOLS:
            return _BOOLS[bare.lower()]
        if kind is int and _INT.fullmatch(bare):
            return int(bare)
        if kind is float and _FLOAT.fullmatch(bare) and math.isfinite(float(bare)):
            return float(bare)
        if kind is str and not _NO_TEXT.search(text):
            return text
        raise ParameterError(
            f"parameter {self.name} is {ascii(text) if kind is str else repr(text)}, not {_WORDS[kind]}",
            f"its default is {plain(self.typed) or 'empty'}",
        )


def declared(source: str) -> tuple[Parameter, ...]:
    """Read the declarations of a ``parameters`` cell; nothing is executed.

    Parameters
    ----------
    source : str
        The cell's code: assignments of int, float, str and bool literals to names, each with a trailing comment.

    Raises
    ------
    ReportError
        The cell holds anything else.
    """
    try:
        body = ast.parse(source).body
        comments = _comments(source)
    except (SyntaxError, ValueError, tokenize.TokenError) as e:
        raise ReportError(f"the parameters cell is no Python: {e}", "mend the notebook") from None
    found = [_declaration(node, comments) for node in body]
    if len({p.name for p in found}) < len(found):
        raise ReportError("the parameters cell declares a name twice", "mend the notebook")
    return tuple(found)


def convert(parameters: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, Value]:
    """Turn typed texts into values of the declared types.

    Returns
    -------
    dict
        The given names only, in the order of their declaration.

    Raises
    ------
    ParameterError
        An unknown name, or a value of the wrong type.
    """
    names = [p.name for p in parameters]
    for name in given:
        if name not in names:
            raise ParameterError(f"the notebook has no parameter {name!r}", suggest(name, names))
    return {p.name: p.parse(given[p.name]) for p in parameters if p.name in given}


def _declaration(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value):
            default = _literal(value)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value):
            default = _as_annotated(_literal(value), kind)
        case _:
            name, default = "", None
    if default is not None:
        return Parameter(name, default, comments.get(node.end_lineno or node.lineno, ""))
    raise ReportError(
        f"line {node.lineno} of the parameters cell is not of the form: name = value  # help",
        "mend the notebook: values are text, whole numbers, numbers, True or False",
    )


def _literal(node: ast.expr) -> Value | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if type(value) in _WORDS else None


def _as_annotated(value: Value | None, kind: str) -> Value | None:
    """The value, if it is what its annotation says; a whole number is a number too."""
    if kind == "float" and type(value) is int:
        return float(value)
    return value if type(value) is _TYPES.get(kind) else None


def _comments(source: str) -> dict[int, str]:
    """The comment of each line; a `#` inside a string is none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("#").strip() for t in tokens if t.type == tokenize.COMMENT}
