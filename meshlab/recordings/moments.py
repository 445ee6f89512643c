"""Columns of times, as tables write them, to unix milliseconds."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.sanitize import shortened
from meshlab.errors import ParameterError

__all__ = ["check_zone", "moments_ms", "numbers_ms"]

_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Units of numbers, in nanoseconds."""
_FIRST_S, _LAST_S = 1_000_000_000, 4_102_444_800
"""2001 and 2100: between them, the size of a number tells its unit."""
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_ZONED: Final = re.compile(r"\d:?\d\d[^+\-Zz]*([Zz]|[+-]\d\d(:?\d\d)?)")
_UTC: Final = re.compile(r" ?(UTC|GMT)$")
_HINT: Final = "write RFC 3339 with an offset (2026-01-31T12:00:00Z), or unix seconds or milliseconds"


def moments_ms(texts: NDArray[Any], zone: str, origin: str) -> NDArray[np.int64]:
    """Read times: all of them numbers, all with an offset, or all without one.

    Parameters
    ----------
    texts : ndarray of str
    zone : str
        What the clock on the wall belonged to, such as ``Europe/Berlin``; used where times have no offset.
    origin : str
        For messages.

    Returns
    -------
    ndarray of int64
        Unix milliseconds; what is finer is cut off.

    Raises
    ------
    ParameterError
        A text is no time, is outside of the years that can be represented, or has no offset and there is no zone.
    """
    if not len(texts):
        return np.empty(0, np.int64)
    if (whole := _whole(texts)) is not None:
        return numbers_ms(whole, origin)
    stripped = [_UTC.sub("Z", text.strip()) for text in texts.tolist()]
    if all(map(_NUMBER.fullmatch, stripped)):
        return numbers_ms(np.array(stripped, np.float64), origin)
    zoned = [bool(_ZONED.search(text[10:])) for text in stripped]
    for text, has_zone in zip(stripped, zoned, strict=True):
        if not text:
            raise ParameterError(f"{origin} has a row without a time", "remove it")
        if has_zone != zoned[0]:
            raise ParameterError(
                f"{origin} mixes times with and without an offset, such as {_short(text)} and {_short(stripped[0])}",
                _HINT,
            )
    if not zoned[0] and not zone and pd.notna(_parsed(stripped[:1])[0]):
        raise ParameterError(
            f"{origin} has times without a time zone, such as {_short(stripped[0])}",
            "name the zone that they were written in with --timezone, such as --timezone Europe/Berlin or UTC",
        )
    found = _parsed(stripped)
    if found.isna().any():
        at = int(np.flatnonzero(found.isna())[0])
        raise ParameterError(f"{origin} has the time {_short(stripped[at])}, which cannot be read", _HINT)
    if not zoned[0]:
        found = _localized(found.tz_localize(None), zone, origin)
    return np.asarray(found.as_unit("ms").asi8, np.int64)


def numbers_ms(numbers: NDArray[Any], origin: str) -> NDArray[np.int64]:
    """Unix seconds, milliseconds, microseconds or nanoseconds, recognised by their size, in milliseconds.

    Raises
    ------
    ParameterError
        They are not of one unit in the years 2001 to 2099.
    """
    if not len(numbers):
        return np.empty(0, np.int64)
    for unit, size in _UNITS.items():
        low, high = (second * 1_000_000_000 // size for second in (_FIRST_S, _LAST_S))
        if low <= numbers.min() and numbers.max() < high:
            if numbers.dtype.kind == "f":
                return np.rint(numbers * (size / 1_000_000)).astype(np.int64)
            whole = numbers.astype(np.int64)
            return whole * 1000 if unit == "s" else whole // (1_000_000 // size)
    raise ParameterError(
        f"{origin} has times from {numbers.min()} to {numbers.max()}, which are no unix seconds, milliseconds,"
        " microseconds or nanoseconds of the years 2001 to 2099",
        "check the column of the time, or remove what is not of these years",
    )


def check_zone(zone: str) -> None:
    """Make sure that a time zone exists.

    Raises
    ------
    ParameterError
        It does not.
    """
    try:
        pd.DatetimeIndex(["2026-01-01"]).tz_localize(zone or "UTC")
    except Exception:  # noqa: BLE001 - which one depends on what was typed
        raise ParameterError(
            f"--timezone {shortened(zone, 60)!r} is not a time zone", "write Europe/Berlin, UTC or +01:00"
        ) from None


def _whole(texts: NDArray[Any]) -> NDArray[np.int64] | None:
    """Whole numbers, without a Python object each; None where a text is something else."""
    import pyarrow as pa
    from pyarrow import compute

    try:
        return np.asarray(
            compute.cast(compute.utf8_trim_whitespace(pa.array(texts, pa.string())), pa.int64()), np.int64
        )
    except pa.ArrowInvalid:
        return None


def _parsed(texts: list[str]) -> pd.DatetimeIndex:
    """NaT where a text cannot be read; times without an offset as if they were UTC."""
    return pd.DatetimeIndex(pd.to_datetime(pd.Series(texts, dtype="str"), format="ISO8601", utc=True, errors="coerce"))


def _localized(found: pd.DatetimeIndex, zone: str, origin: str) -> pd.DatetimeIndex:
    try:
        return found.tz_localize(zone).tz_convert("UTC")
    except ValueError:
        clear = found.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        at = found[np.flatnonzero(clear.isna())[0]]
        raise ParameterError(
            f"{origin} has the time {at}, which the clocks of {zone} showed twice or never that night",
            "export the times in UTC",
        ) from None


def _short(text: str) -> str:
    return repr(shortened(text, 40))
