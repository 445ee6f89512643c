"""Loggers and signals, while something runs."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interruptible", "on_safe_path", "unlogged"]


@contextmanager
def unlogged(*names: str) -> Iterator[None]:
    """These loggers say nothing: what they would say is raised too, or secret."""
    before = [(log, log.disabled) for log in map(logging.getLogger, names)]
    for log, _ in before:
        log.disabled = True
    try:
        yield
    finally:
        for log, was in before:
            log.disabled = was


@contextmanager
def interruptible(*numbers: signal.Signals) -> Iterator[None]:
    """These signals end what runs as Ctrl-C does: in order."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def on_safe_path() -> Iterator[None]:
    """Processes that Python starts meanwhile take no module out of the folder that one works in."""
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
