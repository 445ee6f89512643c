"""What promql-parser reads, and a guard against what it does not survive."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import promql_parser as ast

from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.escape import plain
from meshlab.recordings.promql.patterns import is_pattern
from meshlab.recordings.promql.store import Condition

__all__ = ["is_plain_selector", "milliseconds", "moment_ms", "parse", "selector_conditions", "unsupported"]

_MOST_OPERATORS: Final = 1_000
_LATEST_MS: Final = 1 << 62
_QUIET: Final = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""", re.DOTALL)
"""Comments and strings."""
_NESTING: Final = re.compile(r"[-+*/%^<>(\[]|[=!]=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_ILLEGAL: Final = re.compile(r"illegal regex for (.*)", re.DOTALL)
_OPS: Final = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_KNOWN_ELSEWHERE: Final = ("holt_winters", "double_exponential_smoothing")


def parse(promql: str) -> Any:
    """Read an expression.

    Raises
    ------
    BadQuery
        It is no PromQL.
    UnsupportedQuery
        It is PromQL that the parser does not know.
    """
    # The parser, written in Rust, ends the whole process where an expression is nested some thousands deep.
    if len(_NESTING.findall(_QUIET.sub("", promql))) > _MOST_OPERATORS:
        raise unsupported(f"an expression of more than {_MOST_OPERATORS:,} operators and parentheses")
    try:
        return ast.parse(promql)
    except ValueError as error:
        name = next((n for n in _KNOWN_ELSEWHERE if f"'{n}'" in str(error)), "")
        if name:
            raise unsupported(f"the function {name}") from None
        # The parser tries patterns with an engine of its own, which reads a little less than RE2 does.
        pattern = _ILLEGAL.search(str(error))
        if pattern and is_pattern(pattern[1]):
            raise unsupported(f"the pattern {plain(pattern[1])!r} in a matcher") from None
        raise BadQuery(f"{plain(promql)!r} is no PromQL: {plain(error)}", "correct the expression") from None
    except OverflowError:
        raise _endless(promql) from None
    except BaseException as error:
        # A panic of the parser is no Exception; durations such as [5m:1e400] bring it about.
        if type(error).__name__ != "PanicException":
            raise
        raise _endless(promql) from None


def _endless(promql: str) -> BadQuery:
    return BadQuery(f"{plain(promql)!r} has a duration that is out of range", "write less than 292y")


def is_plain_selector(node: Any) -> bool:
    """Whether it is an instant selector that looks at its own moment."""
    return isinstance(node, ast.VectorSelector) and node.at is None and milliseconds(node, "offset") == 0


def selector_conditions(node: Any) -> list[Condition]:
    """The matchers of a vector selector.

    Raises
    ------
    UnsupportedQuery
        Matchers joined by ``or``.
    """
    if node.matchers.or_matchers:
        raise unsupported("matchers joined by or")
    found = [Condition(m.name, _OPS[str(m.op).split(".")[-1]], m.value) for m in node.matchers.matchers]
    return [Condition("__name__", "=", node.name), *found] if node.name else found


def unsupported(construct: str) -> UnsupportedQuery:
    """The error that names a construct."""
    return UnsupportedQuery(
        f"{construct} is not known to the embedded evaluator", "ask a live Prometheus, or write the query without it"
    )


def milliseconds(node: Any, name: str) -> int:
    """One of a node's durations (``range``, ``step``, ``offset``); 0 where it has none.

    Raises
    ------
    BadQuery
        It is too long for any clock.
    """
    try:
        span: timedelta | None = getattr(node, name)
    except (ValueError, OverflowError):
        raise BadQuery(f"a {name} is out of range", "write less than 292y") from None
    return 0 if span is None else span // timedelta(milliseconds=1)


def moment_ms(moment: Any) -> int:
    """What a number behind ``@`` means, unix milliseconds.

    Raises
    ------
    BadQuery
        It is beyond all time.
    UnsupportedQuery
        It is before 1970.
    """
    # The parser's own attribute panics before 1970 and overflows after 9999; its text says 0 for all before 1970.
    found = int(str(moment).removeprefix("@ ").replace(".", ""))
    if found == 0:
        raise unsupported("@ with a moment before 1970")
    if found >= _LATEST_MS:
        raise BadQuery("timestamp out of bounds for @ modifier", "write unix seconds")
    return found
