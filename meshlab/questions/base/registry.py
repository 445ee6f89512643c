"""The questions that are installed: entry points of the group ``meshlab.questions``."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from meshlab.core.suggest import suggest
from meshlab.errors import ParameterError
from meshlab.questions.base.contract import Question

__all__ = ["GROUP", "installed", "question"]

GROUP: Final = "meshlab.questions"


def installed() -> tuple[str, ...]:
    """The names of the questions, sorted; nothing is imported for it."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def question(name: str) -> Question:
    """A question by its name.

    Parameters
    ----------
    name : str
        Such as ``canary``.

    Raises
    ------
    ParameterError
        There is none of that name.
    """
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise ParameterError(f"there is no question {name!r}", suggest(name, installed()))
    loaded = found[0].load()
    made: Question = loaded()
    return made
