"""What the environment says: secrets by the names of their variables, the cache's folder, time zones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meshlab.core.documents import Unreadable, read_text
from meshlab.errors import ConfigError

__all__ = ["cache_folder", "secret", "zone"]

_FILE: Final = "meshlab.toml"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = re.compile(r"_?[A-Z]{1,16}\d{0,2}(_[A-Z]{0,16}\d{0,2})*")
"""Names as people give them. Others are not repeated: a token may stand where its variable's name belongs."""
_LARGEST: Final = 64 << 10
"""No secret has more bytes."""


def secret(what: str, variable: str, path: Path | None = None) -> str:
    """A secret out of a file, else out of the environment; `what` it is stands in messages.

    Raises
    ------
    ConfigError
        The variable or the file is missing, or is empty.
    """
    if path is None:
        if not _VARIABLE.fullmatch(variable):
            raise ConfigError(
                f"the name of the variable of the {what} is none",
                "write the name of a variable there, and the secret into the variable",
            )
        text = os.environ.get(variable, "").strip()
        if not text:
            shown = f" {variable}" if _WORDS.fullmatch(variable) else ""
            raise ConfigError(f"environment variable{shown} ({what}) is not set", f"set it, or change {_FILE}")
        return text
    # What stands for a path may be the secret itself: a file that is not there is not named.
    shown = f" from {path}" if _exists(path) else ""
    try:
        text = read_text(path, _LARGEST).strip()
    except (OSError, Unreadable, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"the {what} cannot be read{shown}: {reason}", "check the path and who may read it") from None
    if not text:
        raise ConfigError(f"{path} ({what}) is empty", f"put it there, or change {_FILE}")
    return text


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


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
