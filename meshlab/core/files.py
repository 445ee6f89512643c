"""Files that are whole or absent: written beside, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_folder", "first_link", "write_bytes", "write_text"]


def first_link(target: Path, base: Path) -> Path | None:
    """The link that would be written through: the target itself, or a folder between it and where one works.

    Somebody else may have put it there, in a repository for instance. Links on the way to `base` are one's own.
    """
    below = [folder for folder in (target, *target.parents) if folder.is_relative_to(base) and folder != base]
    return next((folder for folder in (target, *below) if folder.is_symlink()), None)


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a text file as UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, data: bytes | memoryview, *, mode: int = 0o666) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    data : bytes or memoryview
    mode : int
        Permissions, less those that the process never grants.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the target's place when all went well and vanishes when not.

    Parameters
    ----------
    target : Path
        Where the folder shall stand. What stood there is replaced, and stays untouched after a failure.

    Yields
    ------
    Path
        An empty folder beside the target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    beside = target.with_name(f".{target.name}.{token}.new")
    old = target.with_name(f".{target.name}.{token}.old")
    beside.mkdir()
    try:
        yield beside
        if target.exists():
            os.replace(target, old)
        os.replace(beside, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
