"""Data frames as HTML: numbers to the right with as many decimals as they need, and words for what is not there."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd
from pandas.api import types

from meshlab.core import sanitize
from meshlab.display.numbers import plural

__all__ = ["Table", "to_html"]

_DIGITS: Final = 4
_MISSING: Final = "–"
_LEFT: Final = ' style="text-align:left"'
_RIGHT: Final = ' class="n"'


class Table(pd.DataFrame):
    """A data frame that a notebook shows as `to_html` does; so does what is cut from it."""

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def _repr_html_(self) -> str:
        return to_html(self, rows=pd.get_option("display.max_rows"))


def to_html(frame: pd.DataFrame, *, caption: str = "", rows: int = 60) -> str:
    """A frame as an HTML table.

    Parameters
    ----------
    frame : DataFrame
        Its index is shown where it has a name, or texts.
    rows : int
        The first so many; others are counted below.

    Returns
    -------
    str
        Safe, and readable without a style sheet: alignment follows the columns' types.
    """
    shown = frame.head(rows)
    named = not types.is_integer_dtype(shown.index) or any(name is not None for name in shown.index.names)
    if named:
        shown = shown.reset_index(names="" if shown.index.names == [None] else None, allow_duplicates=True)
    aligned = [_RIGHT if _is_number(kind) else _LEFT for kind in shown.dtypes]
    columns = [_texts(shown.iloc[:, n]) for n in range(shown.shape[1])]
    heads = [sanitize.html(_head(name)) for name in shown.columns]
    head = "".join(f'<th scope="col"{look}>{text}</th>' for text, look in zip(heads, aligned, strict=True))
    body = [
        "<tr>" + "".join(f"<td{look}>{text}</td>" for text, look in zip(cells, aligned, strict=True)) + "</tr>"
        for cells in zip(*columns, strict=True)
    ]
    more = len(frame) - len(shown)
    note = f"and {plural(more, 'more row')}" if more else "" if body else "no rows"
    if note:
        body.append(f'<tr><td colspan="{max(1, len(heads))}"{_LEFT}>{note}</td></tr>')
    title = f"<caption>{sanitize.html(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _is_number(kind: Any) -> bool:
    return bool(types.is_numeric_dtype(kind)) and not types.is_bool_dtype(kind)


def _head(name: object) -> str:
    return " ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name)


def _texts(column: pd.Series[Any]) -> list[str]:
    if types.is_bool_dtype(column):
        return [_MISSING if pd.isna(v) else "yes" if v else "no" for v in column]
    if types.is_integer_dtype(column):
        return [_MISSING if pd.isna(v) else f"{v:,}" for v in column]
    if types.is_float_dtype(column):
        places = _places(column)
        return [_float(float(v), places) if not pd.isna(v) else _MISSING for v in column]
    return [sanitize.html(_text(v)) for v in column]


def _text(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M:%S}{' UTC' if value.tzinfo else ''}"
    if (isinstance(value, float) and math.isnan(value)) or value is None or value is pd.NaT or value is pd.NA:
        return _MISSING
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _places(column: pd.Series[Any]) -> int:
    """As many decimals as the largest number needs for `_DIGITS` digits, and no zeros that all of them end with."""
    values = [abs(float(v)) for v in column if not pd.isna(v) and math.isfinite(v)]
    largest = max(values, default=0.0)
    places = min(6, max(0, _DIGITS - 1 - math.floor(math.log10(largest)))) if largest else 0
    return max((len(f"{v:.{places}f}".rstrip("0").partition(".")[2]) for v in values), default=0)


def _float(value: float, places: int) -> str:
    if not math.isfinite(value):
        return "not bounded"
    text = f"{value:,.{places}f}"
    if value and not float(text.replace(",", "")):
        # What is there is never written like nothing.
        return f"{'&gt; −' if value < 0 else '&lt; '}{10.0**-places:.{places}f}"
    return text.replace("-", "−")
