"""Who wants to know how far a long question has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Listener", "report", "reporting"]

Listener = Callable[[int, int, str], None]
"""Told the parts done, the parts in all (as far as they are known), and what they are."""

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def reporting(listener: Listener) -> Iterator[None]:
    """Tell a listener of the progress of everything that is asked inside."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(done: int, total: int, what: str) -> None:
    """Say how far one has come; nobody may be listening.

    Parameters
    ----------
    done, total : int
        Parts.
    what : str
        What they are, in words.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(done, total, what)
