"""Kubernetes' YAML, as a file that a user names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from meshlab.core.documents import read_text
from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = ["read_manifest"]

_LONGEST_BYTES: Final = 1 << 20


def read_manifest(path: str | Path, whose: str, command: str) -> str:
    """The text of a file of YAML.

    Parameters
    ----------
    path : str or Path
    whose : str
        What it describes, such as ``the autoscaler's``.
    command : str
        What writes such a file.

    Raises
    ------
    ParameterError
        There is no such file, it is no text, or it is larger than 1 MB.
    """
    place, shown = Path(path), plain(str(path))
    try:
        if place.is_file() and place.stat().st_size > _LONGEST_BYTES:
            raise ParameterError(f"{shown} is larger than 1 MB", f"give {whose} own YAML")
        return read_text(place, _LONGEST_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise ParameterError(f"{whose} file {shown} cannot be read: {reason}", f"{command} > FILE writes one") from None
