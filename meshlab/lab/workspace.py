"""Where a lab writes: a private folder that vanishes with it or is swept up later, and disks that refuse."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meshlab.errors import LabError, ParameterError

__all__ = ["check_target", "disk_errors", "owners", "workspace"]

_PREFIX: Final = "meshlab-lab-"
_OWNER: Final = "pid"
_NAME: Final = "scenario"
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


@contextmanager
def workspace(scenario: str = "") -> Iterator[Path]:
    """A new private folder, which is removed at the end; `scenario` is the name that `owners` finds it by.

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
    (fresh / _NAME).write_text(scenario, encoding="utf-8")
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


def owners(scenario: str = "") -> list[int]:
    """Process ids of this user's labs that are running; of one scenario when it is named."""
    process_ids = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError), _locked(folder) as free:
            if not free and (not scenario or (folder / _NAME).read_text(encoding="utf-8") == scenario):
                process_ids.append(int((folder / _OWNER).read_text(encoding="ascii")))
    return sorted(process_ids)


def check_target(record: Path) -> None:
    """Notice before the run, not after it, that a recording cannot stand there."""
    from meshlab.recordings import writer

    writer.check_target(record)
    existing = next(folder for folder in record.absolute().parents if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ParameterError(f"cannot write into {existing}", "name another folder for the recording")


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk that is full, or that cannot be written, as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise LabError(f"the lab met an error of the system: {error.strerror or error}", "try again") from error
        where = f" at {error.filename}" if error.filename else ""
        raise LabError(
            f"the lab cannot write its files{where}: {error.strerror}",
            "free some space, or name another folder in TMPDIR",
        ) from error


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
