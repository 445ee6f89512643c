"""Whose a file or a folder is: what somebody else may have put there is not taken."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path

from meshlab.core.sanitize import plain

__all__ = ["StrangersFolder", "between", "is_ours", "why_not_ours"]


class StrangersFolder(UserWarning):
    """Something was left out, since somebody else may have put it there."""


def why_not_ours(paths: Iterable[Path]) -> str:
    """Why one does not take what stands at these paths; empty where nobody else could have put it there.

    A path is somebody else's that is owned by neither this user nor root, or that others may write. A folder with the
    sticky bit is one in which nobody replaces another's files; what lies in it is looked at by itself.

    Returns
    -------
    str
        Such as ``/shared belongs to nobody``.
    """
    return next((why for path in paths if (why := _why(path))), "")


def is_ours(paths: Iterable[Path], what: str) -> bool:
    """Whether nobody else could have put it there; where not, one warning says so.

    Parameters
    ----------
    paths : iterable of Path
    what : str
        What is left out, for the warning.
    """
    why = why_not_ours(paths)
    if why:
        warnings.warn(f"{plain(what)} is left out: {why}", StrangersFolder, stacklevel=3)
    return not why


def between(start: Path, place: Path) -> list[Path]:
    """The folders from where one works up to the one that is used, both included."""
    return [folder for folder in (start, *start.parents) if folder == place or place in folder.parents]


def _why(path: Path) -> str:
    if not hasattr(os, "getuid"):
        return ""  # Windows has owners of another kind
    try:
        found = path.stat()
    except OSError:
        return ""  # nothing stands there, so nothing is taken
    shown, me = plain(path), os.getuid()
    if found.st_uid not in (me, 0):
        return f"{shown} belongs to {_user(found.st_uid)}"
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return f"{shown} may be written by everybody"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, me):
        return f"{shown} may be written by its group"
    return ""


def _is_private(group: int, me: int) -> bool:
    """Whether a group has no member but this user and root, as many systems make one for each user."""
    import grp
    import pwd

    if group == 0:
        return True
    ours = {user.pw_name for user in pwd.getpwall() if user.pw_uid in (me, 0)}
    try:
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        members = set()
    return members <= ours and all(user.pw_uid in (me, 0) for user in pwd.getpwall() if user.pw_gid == group)


def _user(uid: int) -> str:
    import pwd

    try:
        return plain(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"user {uid}"
