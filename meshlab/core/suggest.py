"""What to say of a name that is not known: the nearest ones that are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = ["nearest", "suggest", "unknown"]

_MOST_LISTED = 20


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that come closest to a word, whatever its case, best first; empty when none is near."""
    by_lower = {name.lower(): name for name in sorted(known, reverse=True)}
    return [by_lower[lower] for lower in difflib.get_close_matches(word.lower(), by_lower, most)]


def suggest(word: object, known: Iterable[str], most: int = 1) -> str:
    """A hint for a word that is not known.

    Parameters
    ----------
    word : object
        As it was given; what is no text is near to nothing.
    known : iterable of str
        Names that would have been right, in the order to list them.
    most : int
        Number of near names to give.

    Returns
    -------
    str
        ``did you mean catalog?``, or ``there are: catalog, ledger`` when nothing is near.
    """
    names = [str(name) for name in known]
    near = nearest(word, names, most) if isinstance(word, str) else []
    if near:
        return f"did you mean {plain(' or '.join(near))}?"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"there are: {plain(', '.join(names[:_MOST_LISTED]))}{more}" if names else "there are none"


def unknown(kind: str, word: str, known: Iterable[str]) -> ParameterError:
    """The error for a name that does not exist: ``there is no workload 'x'``, with the nearest that do."""
    return ParameterError(f"there is no {kind} {plain(word)!r}", suggest(word, known, 3))
