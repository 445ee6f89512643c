"""What promql-parser reads, and a guard against what it does not survive."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import promql_parser as ast

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.promql.patterns import is_pattern
from meshlab.promql.spans import Edit, plain_spans
from meshlab.promql.store import Condition

__all__ = ["is_plain_selector", "milliseconds", "moment_ms", "parse", "selector_conditions", "unsupported"]

_MOST_OPERATORS: Final = 1_000
_LATEST_MS: Final = 1 << 62
_LONGEST: Final = timedelta(microseconds=(1 << 63) // 1_000)
"""Prometheus counts a duration's nanoseconds in 63 bits: some 292 years."""
_QUIET: Final = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""", re.DOTALL)
"""Comments and strings."""
_NESTING: Final = re.compile(r"[-+*/%^<>(\[]|[=!]=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_ILLEGAL: Final = re.compile(r"illegal regex for (.*)", re.DOTALL)
_OPS: Final = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_OLD_NAME: Final = re.compile(r"\bholt_winters(?=\s*\()")
_NEW_NAME: Final = "double_exponential_smoothing"
_BEFORE_1970: Final = re.compile(r"@[\s+]*-")
_BYTE: Final = re.compile(r"""(?<!\\)(?:\\\\)*\\(?:x[89a-fA-F]|[23][0-7]{2})""")
_HUGE: Final = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)e\+?\d{3,}(?!\w)", re.IGNORECASE)
_LATER: Final = (
    ("the modifier anchored", re.compile(r"(?<=[\])}\w\s])\banchored\b(?![^\[\]]*\])"), ""),
    ("the modifier smoothed", re.compile(r"(?<=[\])}\w\s])\bsmoothed\b(?![^\[\]]*\])"), ""),
    ("a label called or", re.compile(r"(?<=[{,\s])or(?=\s*[=!])"), "x"),
    ("@ before a range", re.compile(r"@\s*(?:start|end)\s*\(\s*\)\s*(?=\[)"), ""),
    ("a metric or label called anchored or smoothed", re.compile(r"\b(?:anchored|smoothed)\b(?![^\[\]]*\])"), "x"),
    ("the operator </", re.compile(r"</"), "*"),
    ("the operator >/", re.compile(r">/"), "*"),
    ("the function info", re.compile(r"\binfo(?=\s*\()", re.IGNORECASE), "abs"),
    ("the function info", re.compile(r",\s*\{[^{}]*\}\s*\)"), ")"),
    ("the function timeseries_gen", re.compile(r"\btimeseries_gen\s*\([^()]*\)"), "vector(0)"),
)
"""What the parser does not read, by name: how it looks, and what it reads in its place."""


def parse(promql: str, step_ms: int = 0, range_ms: int = 0) -> Any:
    """Read an expression.

    Parameters
    ----------
    promql : str
    step_ms, range_ms : int
        What ``step()`` and ``range()`` mean in a duration.

    Raises
    ------
    BadQuery
        It is not PromQL.
    UnsupportedQuery
        It is PromQL that the parser does not know.
    """
    quiet = _QUIET.sub(_blank, promql)
    # The parser, written in Rust, ends the whole process where an expression is nested some thousands deep.
    if len(_NESTING.findall(quiet)) > _MOST_OPERATORS:
        raise unsupported(f"an expression of more than {_MOST_OPERATORS:,} operators and parentheses")
    edits = [(*found.span(), _NEW_NAME) for found in _OLD_NAME.finditer(quiet)]
    try:
        node = _parsed(_edited(promql, edits), promql)
    except BadQuery:
        # Most expressions have no duration that is computed: it is looked for where nothing else helps.
        edits += plain_spans(quiet, step_ms, range_ms)
        quiet = _edited(quiet, edits)
        name = _later(quiet)
        if name:
            raise unsupported(name) from None
        node = _parsed(_edited(promql, edits), promql)
    for number in _HUGE.findall(quiet):
        if math.isinf(float(number)):
            raise BadQuery(f"the number {plain(number)} is out of range", "write Inf")
    if _BEFORE_1970.search(quiet):
        raise unsupported("@ with a moment before 1970")
    if any(text[0] in "\"'" and _BYTE.search(text) for text in _QUIET.findall(promql)):
        # Go reads a byte there; the parser reads a letter, which is another text.
        raise unsupported(r"a byte such as \xff in a string")
    return node


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for begin, end, instead in sorted(edits, reverse=True):
        text = text[:begin] + instead + text[end:]
    return text


def _parsed(text: str, promql: str) -> Any:
    try:
        return ast.parse(text)
    except ValueError as error:
        # The parser tries patterns with an engine of its own, which reads a little less than RE2 does.
        pattern = _ILLEGAL.search(str(error))
        if pattern and is_pattern(pattern[1]):
            raise unsupported(f"the pattern {plain(pattern[1])!r} in a matcher") from None
        raise BadQuery(f"{plain(promql)!r} is not valid PromQL: {plain(error)}", "correct the expression") from None
    except OverflowError:
        raise _endless(promql) from None
    except BaseException as error:
        # A panic of the parser is not an Exception; durations such as [5m:1e400] bring it about.
        if type(error).__name__ != "PanicException":
            raise
        raise _endless(promql) from None


def _blank(found: re.Match[str]) -> str:
    """As many characters that mean nothing."""
    text = found[0]
    return " " * len(text) if text[0] == "#" else text[0] + "x" * (len(text) - 2) + text[-1]


def _later(quiet: str) -> str:
    """What of Prometheus 3 the parser does not read; empty where the text is wrong without it too."""
    seen = ""
    for name, pattern, instead in _LATER:
        changed = pattern.sub(instead, quiet)
        if changed == quiet:
            continue
        quiet, seen = changed, seen or name
        if _reads(quiet):
            return name if name == seen else f"{seen}, or {name}"
    return ""


def _reads(quiet: str) -> bool:
    try:
        ast.parse(quiet)
    except BaseException as error:
        if isinstance(error, (ValueError, OverflowError)) or type(error).__name__ == "PanicException":
            return False
        raise
    return True


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
        span = timedelta.max
    if span is not None and abs(span) > _LONGEST:
        raise BadQuery(f"a {name} is out of range", "write less than 292y")
    if name != "offset" and span is not None and not span:
        raise BadQuery("duration must be greater than 0", "write a range or step such as 5m")
    return 0 if span is None else span // timedelta(milliseconds=1)


def moment_ms(moment: Any) -> int:
    """What a number behind ``@`` means, unix milliseconds.

    Raises
    ------
    BadQuery
        It is beyond all time.
    """
    # The parser's own attribute panics before 1970 and overflows after 9999; its text is right from 1970 on.
    found = int(str(moment).removeprefix("@ ").replace(".", ""))
    if found >= _LATEST_MS:
        raise BadQuery("timestamp out of bounds for @ modifier", "write unix seconds")
    return found
