"""What a profile demands of every query, put into every selector of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import promql_parser as ast

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.engines.selectors import selectors
from meshlab.engines.tokens import tokens
from meshlab.errors import BadQuery, UnsupportedQuery

__all__ = ["with_matchers"]


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
    found = _with(promql, ",".join(map(str, matchers)))
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


def _with(promql: str, conditions: str) -> str:
    """The expression with the conditions at the end of each selector's braces."""
    for found in reversed(selectors(promql)):
        inside = promql[found.start : found.end]
        if inside.endswith("}"):
            last = [text for kind, text in tokens(inside[:-1]) if kind != "skip"][-1]
            more = f"{inside[:-1]}{'' if last in '{,' else ','}{conditions}}}"
        else:
            more = f"{inside}{{{conditions}}}"
        promql = f"{promql[: found.start]}{more}{promql[found.end :]}"
    return promql
