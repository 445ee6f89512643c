"""How numbers are written, everywhere: in sentences, tables, pages, messages and on the terminal."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["difference", "duration", "interval", "measure", "number", "percent", "plural"]

_MINUS: Final = "\N{MINUS SIGN}"
_RAISED: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SMALLEST: Final = 1e-6
NOT_BOUNDED: Final = "not bounded"
# Units that are read from the number itself: "0.54", not "0.54 probability".
_BARE: Final = {"probability"}
_DURATIONS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def number(value: float, digits: int = 3) -> str:
    """A number without an exponent that anybody has to decode.

    Parameters
    ----------
    value : float
        What is not finite is ``not bounded``.
    digits : int
        Significant digits at most; whole numbers from 1,000 on keep all of theirs.

    Returns
    -------
    str
        Such as ``1,234``, ``3.54``, ``−0.0012`` or ``2.1×10⁻⁹``.
    """
    if not math.isfinite(value):
        return NOT_BOUNDED
    size, sign = abs(value), _MINUS if value < 0 else ""
    if size >= 10 ** (digits - 1):
        text = f"{size:,.0f}"
    elif size and size < _SMALLEST:
        factor, _, power = f"{size:.1e}".partition("e")
        text = f"{factor}×10{str(int(power)).translate(_RAISED)}"
    else:
        places = max(0, digits - 1 - math.floor(math.log10(size))) if size else 0
        text = f"{size:.{places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return sign + text if text != "0" else text


def difference(value: float, digits: int = 3) -> str:
    """The same with its sign, be it a plus: ``+1.2``."""
    text = number(value, digits)
    return f"+{text}" if math.isfinite(value) and value > 0 else text


def percent(share: float, decimals: int = 1) -> str:
    """A share of one in per cent, whose parts add up: ``92.7 %`` and ``7.3 %``.

    Parameters
    ----------
    share : float
        0..1, or beyond for growth.
    decimals : int
        The same for all parts of a whole. What is neither nothing nor all never reads like it.

    Returns
    -------
    str
        Pages put a narrow space that breaks no line before the sign; ``< 0.1 %`` and ``> 99.9 %`` next to the ends.
    """
    if not math.isfinite(share):
        return NOT_BOUNDED
    step = 10.0**-decimals
    value = round(100 * share, decimals)
    if share and not value:
        return f"< {number(step)} %"
    if share < 1 and value == 100:
        return f"> {number(100 - step, decimals + 2)} %"
    text = f"{abs(value):,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{_MINUS if value < 0 else ''}{text} %"


def duration(seconds: float, digits: int = 3) -> str:
    """A time as people say it: ``850 ms``, ``40.7 s``, ``10 min``, ``2.5 h``, ``3 d``.

    Parameters
    ----------
    digits : int
        Significant digits at most.
    """
    size = abs(seconds)
    if not math.isfinite(seconds):
        return NOT_BOUNDED
    if size and size < 1:
        return f"{number(1_000 * seconds, digits)} ms"
    for length, unit in _DURATIONS:
        if size >= 5 * length or (size >= length and size % length == 0):
            return f"{number(seconds / length, digits)} {unit}"
    return f"{number(seconds, digits)} s"


def measure(value: float, unit: str = "", digits: int = 3) -> str:
    """A number with its unit, as findings have them.

    Parameters
    ----------
    unit : str
        Shares become per cent; times are milliseconds below a second, and seconds above.
    digits : int
        Significant digits at most.
    """
    if not math.isfinite(value):
        return NOT_BOUNDED
    if unit == "share":
        return percent(value)
    if unit == "ms":
        unit, value = ("s", value / 1_000) if abs(value) >= 1_000 else (unit, value)
    elif unit == "s" and value and abs(value) < 1:
        unit, value = "ms", 1_000 * value
    text = number(value, digits)
    return text if unit in _BARE else f"{text} {unit}".rstrip()


def interval(low: float, high: float, unit: str = "", digits: int = 3) -> str:
    """Both ends of an interval: ``−0.5 to 1.2 points``."""
    first, last = measure(low, unit, digits), measure(high, unit, digits)
    # The unit stands once, unless the ends have different ones.
    cut = first.rpartition(" ")
    same = bool(cut[2]) and last.endswith(f" {cut[2]}") and cut[1] and not unit.count(" ")
    return f"{cut[0] if same else first} to {last}"


def plural(count: int, one: str, many: str = "") -> str:
    """A count and its noun: ``1 edge``, ``1,204 edges``.

    Parameters
    ----------
    one, many : str
        The noun for one, and for all others; with an s when not given.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
