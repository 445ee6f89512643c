"""What the environment says: secrets by the names of their variables, the cache's folder, time zones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meshlab.errors import ConfigError

__all__ = ["cache_folder", "secret", "zone"]

_FILE: Final = "meshlab.toml"


def secret(what: str, variable: str, path: Path | None = None) -> str:
    """A secret out of a file, else out of the environment; `what` it is stands in messages.

    Raises
    ------
    ConfigError
        The variable or the file is missing, or is empty.
    """
    if path is None:
        text = os.environ.get(variable, "").strip()
        if not text:
            raise ConfigError(f"environment variable {variable} ({what}) is not set", f"set it, or change {_FILE}")
        return text
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"the {what} cannot be read from {path}: {reason}", "check the path and who may read it"
        ) from None
    if not text:
        raise ConfigError(f"{path} ({what}) is empty", f"put it there, or change {_FILE}")
    return text


def zone(name: str, where: str) -> str:
    """Check the name of a time zone.

    Parameters
    ----------
    name : str
        Empty for none.
    where : str
        What holds it, for the message.

    Raises
    ------
    ConfigError
        This machine knows no such zone.
    """
    try:
        if name:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"tz of {where} is {name!r}, which this machine does not know", 'write tz = "Europe/Berlin"'
        ) from None
    return name


def cache_folder() -> Path | None:
    """The folder of cached answers: ``MESHLAB_CACHE``, or the user's own cache folder.

    Returns
    -------
    Path or None
        None when ``MESHLAB_CACHE`` is ``off``.
    """
    chosen = os.environ.get("MESHLAB_CACHE", "").strip()
    if chosen.lower() in ("off", "no", "0", "false"):
        return None
    return Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "meshlab").expanduser()
