"""Where the selectors and the groupings of a PromQL text stand, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshlab.core.selector import Matcher, parse_matcher
from meshlab.engines.tokens import tokens
from meshlab.errors import ParameterError

__all__ = ["Grouping", "Selector", "groupings", "selectors"]

_GROUPINGS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_NO_METRIC_BEFORE: Final = frozenset({"(", "by", "without"})
_WORDS: Final = frozenset({"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", *_GROUPINGS})


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a text.

    Parameters
    ----------
    start, end : int
        Where it stands, braces included, without its range.
    metric : str
        Empty where only matchers choose.
    matchers : tuple of Matcher
        Those in its braces.
    understood : bool
        Whether all that stands in its braces is a matcher.
    """

    start: int
    end: int
    metric: str
    matchers: tuple[Matcher, ...]
    understood: bool = True

    def may_be(self, name: str) -> bool:
        """Whether a metric of that name may be among what it selects."""
        return self.metric in ("", name) and all(m.holds(name) for m in self.matchers if m.name == "__name__")

    @property
    def name(self) -> str:
        """The one name that it asks for; empty where it is a pattern."""
        exact = (m.value for m in self.matchers if m.name == "__name__" and m.op.value == "=")
        return self.metric or next(exact, "")

    def written(self, metric: str, matchers: tuple[Matcher, ...]) -> str:
        """Another selector."""
        inner = ",".join(map(str, matchers))
        return f"{metric}{{{inner}}}" if inner or not metric else metric


@dataclass(frozen=True, slots=True)
class Grouping:
    """A list of labels in ``by (...)`` and its like.

    Parameters
    ----------
    start, end : int
        Where its labels stand, without the brackets.
    word : str
        Such as ``by``.
    labels : tuple of str
    """

    start: int
    end: int
    word: str
    labels: tuple[str, ...]


def selectors(promql: str) -> list[Selector]:
    """The selectors of a valid expression, in their order."""
    words, found = _words(promql), []
    at = brackets = 0
    while at < len(words):
        kind, text, start = words[at]
        following = words[at + 1][1] if at + 1 < len(words) else ""
        if text in "[]":
            brackets += 1 if text == "[" else -1
        elif text.lower() in _GROUPINGS and following == "(":
            at = _closing(words, at + 1, ")")
        elif brackets or (kind == "name" and (text.lower() in _WORDS or following in _NO_METRIC_BEFORE)):
            pass
        elif kind == "name" and following != "{" and words[at - 1][1] != "@":
            found.append(Selector(start, start + len(text), text, ()))
        elif text == "{" or (kind == "name" and following == "{"):
            first = at if text == "{" else at + 1
            at = _closing(words, first, "}")
            end = words[at][2] + 1
            try:
                inner, understood = _matchers(words[first + 1 : at]), True
            except ParameterError:
                inner, understood = (), False
            found.append(Selector(start, end, "" if text == "{" else text, inner, understood))
        at += 1
    return found


def groupings(promql: str) -> list[Grouping]:
    """The lists of labels of an expression, in their order."""
    words, found = _words(promql), []
    for at, (_, text, _start) in enumerate(words[:-1]):
        if text.lower() in _GROUPINGS and words[at + 1][1] == "(":
            last = _closing(words, at + 1, ")")
            labels = tuple(word for kind, word, _ in words[at + 2 : last] if kind == "name")
            found.append(Grouping(words[at + 1][2] + 1, words[last][2], text.lower(), labels))
    return found


def _words(promql: str) -> list[tuple[str, str, int]]:
    """Kind, text and place of each word."""
    found, place = [], 0
    for kind, text in tokens(promql):
        if kind != "skip":
            found.append((kind, text, place))
        place += len(text)
    return found


def _closing(words: list[tuple[str, str, int]], at: int, bracket: str) -> int:
    """The place of the next closing bracket."""
    return next((i for i in range(at, len(words)) if words[i][1] == bracket), len(words) - 1)


def _matchers(words: list[tuple[str, str, int]]) -> tuple[Matcher, ...]:
    parts: list[list[str]] = [[]]
    for _, text, _ in words:
        if text == ",":
            parts.append([])
        else:
            parts[-1].append(text)
    return tuple(parse_matcher("".join(part)) for part in parts if part)
