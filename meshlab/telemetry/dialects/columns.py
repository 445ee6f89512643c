"""How a dimension is read from a mesh's labels, and how it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from meshlab.core.selector import Matcher, equal, literal, matches, one_of
from meshlab.telemetry.dialects.base import ABSENT, ENDPOINTS

__all__ = ["Column", "Condition"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A dimension has one of these values; the empty text stands for all spellings of "not known".

    Parameters
    ----------
    dimension : str
        A dimension.
    values : tuple of str
    """

    dimension: str
    values: tuple[str, ...]

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Rows of a mesh frame that fulfil it."""
        return frame[self.dimension].isin(self.values)


@dataclass(frozen=True, slots=True)
class Column:
    """One dimension, read from labels.

    Parameters
    ----------
    labels : tuple of str
        The first one that is not empty counts. None: the column is `constant`.
    exclusive : bool
        Whether a series carries only one of several labels, so that each of them can be asked for.
    constant : str
        What stands in every row where there is no label.
    cut : str
        A regular expression with one group: the part of the label that counts. Empty: all of it.
    whole : bool
        Whether a label that `cut` does not match counts as it is, or not at all.
    ask : str
        RE2 pattern of the labels whose cut is ``{}``; empty when the cut cannot be asked for.
    form : str
        What the text is put into, such as ``{}xx``.
    spelling : mapping of str to str
        Values that the dimension spells differently.
    otherwise : tuple of (label, pattern, value) or None
        An empty column takes the value where the label matches, such as the code of a request that was never answered.
    never : str
        Regular expression of labels that name nothing, such as a proxy's own clusters: the column is empty.
    unless : tuple of (label, value) or None
        The column is empty where the label has the value: that reporter does not know it.
    """

    labels: tuple[str, ...] = ()
    exclusive: bool = True
    constant: str = ""
    cut: str = ""
    whole: bool = True
    ask: str = ""
    form: str = "{}"
    spelling: Mapping[str, str] = field(default_factory=dict)
    otherwise: tuple[str, str, str] | None = None
    never: str = ""
    unless: tuple[str, str] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All labels that it is made of."""
        return (*self.labels, *(rule[0] for rule in (self.otherwise, self.unless) if rule))

    def values(self, labels: pd.DataFrame, dimension: str) -> pd.Series[str]:
        """Its text for each row of a label table; shape (rows,)."""
        if not self.labels:
            return pd.Series(self.constant, labels.index, dtype=str)
        text = pd.Series("", labels.index, dtype=str)
        for label in self.labels:
            if label in labels:
                text = text.where(text != "", labels[label].astype(str))
        text = text.map({value: self._text(value, dimension) for value in text.unique()}).astype(str)
        if self.otherwise is not None and self.otherwise[0] in labels:
            label, pattern, value = self.otherwise
            text = text.mask((text == "") & labels[label].astype(str).str.fullmatch(pattern), value)
        if self.unless is not None and self.unless[0] in labels:
            text = text.mask(labels[self.unless[0]].astype(str) == self.unless[1], "")
        return text

    def matchers(self, values: Sequence[str], dimension: str) -> tuple[Matcher, ...]:
        """Matchers that every row with one of these values fulfils; others may as well, so rows are filtered after.

        Parameters
        ----------
        values : sequence of str
        dimension : str
            What it is read for.

        Returns
        -------
        tuple of Matcher
            None where the engine cannot be asked: then all rows come.
        """
        several = len(self.labels) > 1
        respelt = {*values} & {*self.spelling.values()}
        if not self.labels or respelt or self.otherwise or self.unless or (several and not self.exclusive):
            return ()
        if self.never and ABSENT & {*values}:
            return ()
        if self.form != "{}":
            before, after = self.form.split("{}")
            values = [
                v[len(before) : len(v) - len(after)] for v in values if v.startswith(before) and v.endswith(after)
            ]
            if not values:
                return ()
        if self.cut:
            return self._cut_matchers(values)
        if dimension in ENDPOINTS and ABSENT & set(values):
            values = sorted({*values, *ABSENT})
        if several:
            # A series carries one of them: each must be right or absent.
            return tuple(one_of(label, sorted({*values, ""})) for label in self.labels)
        return (equal(self.labels[0], values[0]) if len(values) == 1 else one_of(self.labels[0], values),)

    def _cut_matchers(self, values: Sequence[str]) -> tuple[Matcher, ...]:
        if not self.ask or len(self.labels) > 1 or "" in values:
            return ()
        either = "|".join(map(literal, values))
        pattern = self.ask.replace("{}", f"({either})")
        return (matches(self.labels[0], f"{pattern}|{either}" if self.whole else pattern),)

    def _text(self, value: str, dimension: str) -> str:
        if self.never and re.fullmatch(self.never, value):
            return ""
        if self.cut:
            match = re.fullmatch(self.cut, value)
            value = match[1] if match else value if self.whole else ""
        if dimension in ENDPOINTS and value in ABSENT:
            return ""
        value = self.spelling.get(value, value)
        return self.form.format(value) if value else ""
