"""What comes with the package: the notebooks, and the recordings they run on by default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["places"]

_PACKAGE = Path(__file__).parents[1]


def places(kind: str, start: Path) -> Iterator[Path]:
    """The folders in which a bare name is looked up, the nearest first.

    Parameters
    ----------
    kind : str
        ``data`` or ``notebooks``.
    start : Path
        Where the search begins: the folder one works in.

    Yields
    ------
    Path
        The nearest parent's folder of that kind that there is, then the one that came with the package (a wheel
        carries it inside; a checkout has it beside the package).
    """
    nearest = next((p / kind for p in (start, *start.parents) if (p / kind).is_dir()), None)
    if nearest is not None:
        yield nearest
    for own in (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind):
        if own.is_dir() and own != nearest:
            yield own
