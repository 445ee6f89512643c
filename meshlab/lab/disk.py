"""The disk that a lab writes to: what cannot be written there, in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meshlab.errors import LabError, ParameterError

__all__ = ["check_target", "disk_errors"]

_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def check_target(record: Path) -> None:
    """Notice before the run, not after it, that a recording cannot stand there."""
    from meshlab.recordings import writer

    writer.check_target(record)
    existing = next(folder for folder in record.absolute().parents if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ParameterError(f"cannot write into {existing}", "name another folder for the recording")


@contextlib.contextmanager
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
