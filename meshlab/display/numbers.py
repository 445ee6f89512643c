"""How numbers and counted things are written."""

from __future__ import annotations

__all__ = ["plural"]


def plural(count: int, noun: str, many: str = "") -> str:
    """A count with its noun: ``1 edge``, ``2 edges``.

    Parameters
    ----------
    count : int
    noun : str
        For one.
    many : str
        For more, where it is not the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
