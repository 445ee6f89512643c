"""Names replaced by pseudonyms on their way into a recording.

A pseudonym is a keyed hash (BLAKE2b, 64 bits) of the value: equal values stay equal, in all labels that are redacted,
and nobody can guess a name by hashing a dictionary, since the key is thrown away when the recording is finished.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, Op
from meshlab.core.selector import selector as written
from meshlab.errors import ParameterError
from meshlab.promql.store import Condition
from meshlab.promql.syntax import is_plain_selector, parse, selector_conditions

__all__ = ["NO_NAMES", "Redaction", "check_redacted", "new_key"]

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NEEDED: Final = {"__name__": "the metric's name", "le": "the bounds of histograms"}
NO_NAMES: Final = frozenset({"", "unknown", "-"})
"""What proxies write where there is nothing to name: an analysis must still see that."""
_TELLS_NOTHING: Final = frozenset({"", ".*", ".+"})
_HIDDEN: Final = "redacted"


def check_redacted(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels to redact, each once, sorted.

    Raises
    ------
    ParameterError
        One is not a label's name, or no recording is of use without it.
    """
    if isinstance(labels, str):
        raise ParameterError("the labels to redact are a string, not a list", "give a list of label names")
    for name in labels:
        if name in _NEEDED:
            raise ParameterError(
                f"{name} cannot be redacted: it holds {_NEEDED[name]}, which every analysis needs",
                "redact the labels that name workloads, hosts or people",
            )
        if not _LABEL.fullmatch(name):
            raise ParameterError(f"{plain(name)!r} is not a label name", "use letters, digits and underscores")
    return tuple(sorted(set(labels)))


def new_key() -> str:
    """A random key, as hexadecimal text."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced, and by which key.

    Parameters
    ----------
    labels : tuple of str
        Names of labels; none replaces nothing.
    key : str
        Hexadecimal; see `new_key`.
    """

    labels: tuple[str, ...]
    key: str

    def pseudonym(self, value: str) -> str:
        """What stands for a value; the empty one, ``unknown`` and ``-`` name nobody and stay."""
        if value in NO_NAMES:
            return value
        hashed = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=bytes.fromhex(self.key), digest_size=8)
        return f"r-{hashed.hexdigest()}"

    def table(self, labels: pd.DataFrame) -> pd.DataFrame:
        """A label table with pseudonyms, in the same order of rows."""
        named = [name for name in self.labels if name in labels.columns]
        if not named:
            return labels
        replaced = {}
        for name in named:
            values = labels[name]
            replaced[name] = values.map({v: self.pseudonym(v) for v in values.unique()}).astype("str")
        return labels.assign(**replaced)

    def selector(self, text: str) -> str:
        """A selector that names nobody: values become pseudonyms, patterns ``redacted``.

        Raises
        ------
        BadQuery, UnsupportedQuery
            It is not a selector that can be read here.
        """
        node = self._read(text)
        conditions = [] if node is None else selector_conditions(node)
        if not any(m.name in self.labels for m in conditions):
            return text
        matchers = [Matcher(m.name, Op(m.op), self._hidden(m)) for m in conditions]
        return written(node.name, *matchers[1:]) if node.name else written("", *matchers)

    def command(self, text: str, selectors: Sequence[str]) -> str:
        """A command line whose selectors name nobody; empty when a name would stay in it all the same."""
        if not self.labels:
            return text
        for selector in selectors:
            text = text.replace(shlex.quote(selector), shlex.quote(self.selector(selector)))
        nodes = [self._read(selector) for selector in selectors]
        names = [m.value for n in nodes if n is not None for m in selector_conditions(n) if m.name in self.labels]
        return "" if any(name in text for name in names if name not in _TELLS_NOTHING) else text

    def _read(self, text: str) -> Any:
        if not self.labels:
            return None
        node = parse(text)
        if not is_plain_selector(node):
            raise ParameterError(
                f"{plain(text)!r} is not a plain selector, so it cannot be redacted",
                'write a metric with matchers, such as up{job="x"}',
            )
        return node

    def _hidden(self, condition: Condition) -> str:
        if condition.name not in self.labels or condition.value in _TELLS_NOTHING:
            return condition.value
        return self.pseudonym(condition.value) if condition.op in ("=", "!=") else _HIDDEN
