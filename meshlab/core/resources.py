"""What comes with the package: the notebooks, and the recordings they run on by default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meshlab.core.ownership import between, is_ours

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
        The nearest parent's folder of that kind that there is, unless somebody else may have filled it, then the one
        that came with the package (a wheel carries it inside; a checkout has it beside the package).
    """
    nearest = next((p / kind for p in (start, *start.parents) if (p / kind).is_dir()), None)
    owned = [own for own in (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind) if own.is_dir()]
    if (
        nearest is not None
        and nearest not in owned
        and is_ours((*between(start, nearest.parent), nearest), str(nearest))
    ):
        yield nearest
    elif nearest in owned:
        owned.sort(key=lambda own: own != nearest)
    yield from owned
