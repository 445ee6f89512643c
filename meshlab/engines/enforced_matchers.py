"""What a profile demands of every query, put into every selector of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import promql_parser as ast

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.engines.tokens import tokens
from meshlab.errors import BadQuery, UnsupportedQuery

__all__ = ["with_matchers"]

_BEFORE_LABELS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", *_BEFORE_LABELS})

_NO_METRIC_BEFORE: Final = frozenset({"(", "{", "by", "without"})


def with_matchers(promql: str, matchers: Sequence[Matcher]) -> str:
    """Add matchers to every selector of an expression.

    Parameters
    ----------
    promql : str
    matchers : sequence of Matcher
        None of them: the expression comes back as it is.

    Raises
    ------
    BadQuery
        The expression is not valid PromQL.
    UnsupportedQuery
        It could not be made sure that every selector got them: nothing is asked then.

    Notes
    -----
    The text is scanned, and what comes out is parsed again: as many selectors as before, and each with the matchers.
    """
    if not matchers:
        return promql
    before = list(_selectors(_parsed(promql)))
    found = "".join(_with(promql, ",".join(map(str, matchers))))
    after = list(_selectors(_parsed(found)))
    wanted = {(m.name, m.op.value, m.value) for m in matchers}
    if len(before) != len(after) or not all(wanted <= _conditions(node) for node in after):
        raise UnsupportedQuery(
            f"the profile's matchers cannot be put into {plain(promql)!r}", "write every selector as metric{label=...}"
        )
    return found


def _parsed(promql: str) -> Any:
    try:
        return ast.parse(promql)
    except ValueError as error:
        raise BadQuery(f"{plain(promql)!r} is not valid PromQL: {plain(error)}", "correct the expression") from None


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from _selectors(inner)
    for argument in getattr(node, "args", None) or ():
        yield from _selectors(argument)


def _conditions(node: Any) -> set[tuple[str, str, str]]:
    if node.matchers.or_matchers:
        return set()
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    return {(m.name, operators.get(str(m.op).split(".")[-1], ""), m.value) for m in node.matchers.matchers}


def _with(promql: str, conditions: str) -> Iterator[str]:
    """The expression's pieces, with the conditions at the end of each selector's braces."""
    words = tokens(promql)
    loud = [text.lower() for kind, text in words if kind != "skip"]
    ahead = iter([*loud[1:], ""])
    before, in_labels, brackets, inside = "", False, 0, False
    for kind, text in words:
        if kind == "skip":
            yield text
            continue
        following = next(ahead)
        bare = kind == "name" and not (in_labels or brackets or inside)
        if text == "{":
            inside = True
        elif text == "}" and inside:
            inside = False
            yield conditions if before in ("{", ",") else f",{conditions}"
        elif not inside and text in "()":
            in_labels = text == "(" and before in _BEFORE_LABELS
        elif not inside and text in "[]":
            brackets += 1 if text == "[" else -1
        yield text
        if bare and text.lower() not in _WORDS and before != "@" and following not in _NO_METRIC_BEFORE:
            yield f"{{{conditions}}}"
        before = text.lower()
