"""A lab's temporary folder: private, removed at the end, and swept up later if the lab was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["owners", "workspace"]

_PREFIX: Final = "meshlab-lab-"
_OWNER: Final = "pid"


@contextmanager
def workspace() -> Iterator[Path]:
    """A new private folder, which is removed at the end.

    Folders of labs that were killed are removed first: a lab holds a lock on its folder, and the kernel drops the lock
    when the lab dies.

    Yields
    ------
    Path
        Mode 0700.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    fresh = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    handle = os.open(fresh, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    # It gets the name that a sweep looks for only when it is locked; the lock goes with it.
    folder = fresh.rename(parent / fresh.name.removeprefix("."))
    (folder / _OWNER).write_text(str(os.getpid()), encoding="ascii")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def owners() -> list[int]:
    """Process ids of this user's labs that are running."""
    process_ids = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError), _locked(folder) as free:
            if not free:
                process_ids.append(int((folder / _OWNER).read_text(encoding="ascii")))
    return sorted(process_ids)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _locked(folder) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether nobody holds this user's folder; meanwhile it is held here. Raises OSError for somebody else's."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid != os.getuid():
            raise PermissionError(f"{folder} is somebody else's")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
