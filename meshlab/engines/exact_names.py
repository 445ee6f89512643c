"""Stores that take exact metric names only, such as Google's: a pattern of names becomes the names that it stands for.

Reference: cloud.google.com, "PromQL for Cloud Monitoring": regular expressions over ``__name__`` are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from meshlab.engines.selectors import Selector, selectors
from meshlab.errors import BadQuery, UnsupportedQuery

__all__ = ["expanded", "refuses_patterns", "split"]

_REFUSAL: Final = re.compile(
    r"matcher on __name__|exact (metric )?name|__name__ must be|(regex|regular expression)[^.]{0,40}__name__"
    r"|metric name (is )?required|must (specify|contain) a metric name",
    re.IGNORECASE,
)
_NOTHING: Final = "no_metric_of_such_a_name"
_KEEPS_NAMES: Final = "last_over_time"
"""The one function of ranges whose answer still bears the metric's name."""
_CALL: Final = re.compile(r"([a-z_]+)\s*\(\s*\Z")
_RANGE: Final = re.compile(r"\s*\[[^\]]*\](?:\s*offset\s+-?\w+)?")


def refuses_patterns(error: BadQuery) -> bool:
    """Whether a store says that it takes exact names only."""
    return _REFUSAL.search(error.what) is not None


def split(selector: str, names: Sequence[str]) -> list[str]:
    """A selector as several of one name each; one of nothing where no name fits.

    Parameters
    ----------
    selector : str
    names : sequence of str
        All metrics of the store.
    """
    found = selectors(selector)
    return _exact(found[0], names) if len(found) == 1 and found[0].understood else [selector]


def expanded(promql: str, names: Sequence[str]) -> str:
    """An expression whose selectors name their metrics.

    Parameters
    ----------
    promql : str
    names : sequence of str
        All metrics of the store.

    Raises
    ------
    UnsupportedQuery
        Several metrics stand in a function that drops their names: its answers could not be distinguished.
    """
    for found in reversed(selectors(promql)):
        exact = _exact(found, names)
        if not found.understood or (found.name and len(exact) == 1):
            continue
        before, after = promql[: found.start], promql[found.end :]
        ranged, call = _RANGE.match(after), _CALL.search(before)
        if ranged is None or len(exact) == 1:
            # Without `on`, series of other names but equal labels would be taken for the same.
            one = exact[0] if len(exact) == 1 else f"({' or on (__name__) '.join(exact)})"
            promql = f"{before}{one}{after}"
            continue
        rest = after[ranged.end() :].lstrip()
        if call is None or call[1] != _KEEPS_NAMES or not rest.startswith(")"):
            raise UnsupportedQuery(
                "the store takes exact metric names only, and the expression asks for several in one range",
                "name the metric in each selector",
            )
        calls = (f"{call[1]}({one}{ranged[0]})" for one in exact)
        promql = f"{before[: call.start()]}({' or on (__name__) '.join(calls)}){rest[1:]}"
    return promql


def _exact(found: Selector, names: Sequence[str]) -> list[str]:
    """The selectors of one name each."""
    if found.metric:
        return [found.written(found.metric, found.matchers)]
    others = tuple(m for m in found.matchers if m.name != "__name__")
    fitting = [found.name] if found.name else [name for name in names if found.may_be(name)]
    return [found.written(name, others) for name in fitting] or [found.written(_NOTHING, others)]
