"""How a word of the vocabulary is read from a mesh's labels, and how it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from meshlab.core.selector import Matcher, equal, literal, matches, one_of
from meshlab.telemetry.dialects.base import ABSENT, NAMES

__all__ = ["Column", "Condition"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A word of the vocabulary has one of these values; the empty text stands for all spellings of "not known".

    Parameters
    ----------
    word : str
    values : tuple of str
    """

    word: str
    values: tuple[str, ...]

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Rows of a mesh frame that fulfil it."""
        return frame[self.word].isin(self.values)


@dataclass(frozen=True, slots=True)
class Column:
    """One word of the vocabulary, read from labels.

    Parameters
    ----------
    labels : tuple of str
        The first one that is not empty counts. None: the column is `constant`.
    exclusive : bool
        Whether a series carries one of several labels only, so that it can be asked for by each.
    constant : str
        What stands in every row where there is no label.
    cut : str
        A regular expression with one group: the part of the label that counts. Empty: all of it.
    whole : bool
        Whether a label that `cut` does not match counts as it is, or not at all.
    ask : str
        RE2 pattern of the labels whose cut is ``{}``; empty when it cannot be asked for.
    form : str
        What becomes of the text, such as ``{}xx``.
    spelling : mapping of str to str
        Values that are spelled otherwise in the vocabulary.
    failed : tuple of (label, pattern, value) or None
        An empty column becomes the value where the label matches: a request that ended without an answer.
    unless : tuple of (label, value) or None
        The column is empty where the label has the value: who speaks there does not know.
    """

    labels: tuple[str, ...] = ()
    exclusive: bool = True
    constant: str = ""
    cut: str = ""
    whole: bool = True
    ask: str = ""
    form: str = "{}"
    spelling: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    failed: tuple[str, str, str] | None = None
    unless: tuple[str, str] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All labels that it is made of."""
        more = [rule[0] for rule in (self.failed, self.unless) if rule]
        return (*self.labels, *more)

    def values(self, labels: pd.DataFrame, word: str) -> pd.Series[str]:
        """Its text for each row of a label table; shape (rows,)."""
        if not self.labels:
            return pd.Series(self.constant, labels.index, dtype=str)
        text = pd.Series("", labels.index, dtype=str)
        for label in self.labels:
            if label in labels:
                text = text.where(text != "", labels[label].astype(str))
        text = text.map({value: self._word(value, word) for value in text.unique()}).astype(str)
        if self.failed is not None and self.failed[0] in labels:
            label, pattern, value = self.failed
            text = text.mask((text == "") & labels[label].astype(str).str.fullmatch(pattern), value)
        if self.unless is not None and self.unless[0] in labels:
            text = text.mask(labels[self.unless[0]].astype(str) == self.unless[1], "")
        return text

    def matchers(self, values: Sequence[str], word: str) -> tuple[Matcher, ...]:
        """Matchers that every row with one of these values fulfils; others may as well, where it is cut or spelled.

        Parameters
        ----------
        values : sequence of str
        word : str
            The word that it stands for.
        """
        if (
            not self.labels
            or self.spelling
            or self.failed
            or self.unless
            or not (self.exclusive or len(self.labels) == 1)
        ):
            return ()
        if self.form != "{}":
            before, after = self.form.split("{}")
            values = [
                v[len(before) : len(v) - len(after)] for v in values if v.startswith(before) and v.endswith(after)
            ]
            if not values:
                return ()
        if self.cut:
            return self._asked(values)
        if word in NAMES and ABSENT & set(values):
            values = sorted({*values, *ABSENT})
        if len(self.labels) > 1:
            # A series carries one of them: each must be right or absent.
            return tuple(one_of(label, sorted({*values, ""})) for label in self.labels)
        return (equal(self.labels[0], values[0]) if len(values) == 1 else one_of(self.labels[0], values),)

    def _asked(self, values: Sequence[str]) -> tuple[Matcher, ...]:
        if not self.ask or len(self.labels) > 1 or "" in values:
            return ()
        either = "|".join(map(literal, values))
        pattern = self.ask.replace("{}", f"({either})")
        return (matches(self.labels[0], f"{pattern}|{either}" if self.whole else pattern),)

    def _word(self, value: str, word: str) -> str:
        if self.cut:
            found = re.fullmatch(self.cut, value)
            value = found[1] if found else value if self.whole else ""
        if word in NAMES and value in ABSENT:
            return ""
        value = self.spelling.get(value, value)
        return self.form.format(value) if value else ""
