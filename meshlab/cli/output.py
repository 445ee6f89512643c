"""What the commands show on a terminal, and how they end when they are stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from meshlab.core.sanitize import plain

__all__ = ["interruptible", "progress_bar", "say", "spinner", "warn", "write"]


def say(line: object) -> None:
    """Print one line, made safe for terminals."""
    write(f"{plain(line)}\n")


def write(text: str) -> None:
    """Print what is safe; a reader that has read enough (``| head``) changes no exit code."""
    try:
        typer.echo(text, nl=False)
    except BrokenPipeError:
        import os

        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # or the interpreter would complain when it flushes at its end
        os.close(nowhere)


def warn(sentence: str) -> None:
    """Print a sentence to stderr, made safe for terminals."""
    typer.echo(f"meshlab: {plain(sentence)}", err=True)


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """A sign of life on a terminal; nothing when stderr is not one."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(plain(text))):
        yield


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on a terminal; nothing when stderr is not one.

    Yields
    ------
    callable
        Takes the parts done, the parts in all, and what is being done.
    """
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.markup import escape as literal
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)

        def update(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{text} {literal(plain(what)[:60])}")

        yield update


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: the kernel goes too, and nothing half written stays."""
    import logging
    import signal

    from meshlab.core import running

    try:
        with running.interruptible(signal.SIGTERM):
            yield
    except KeyboardInterrupt:
        # The kernel's client leaves tasks behind, which would report their end on stderr while the interpreter ends.
        logging.getLogger("asyncio").disabled = True
        raise
