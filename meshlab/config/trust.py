"""Which meshlab.toml may name more than addresses: the user's own, and those whose checksum the user recorded.

Whoever clones a repository has not read its meshlab.toml. There a profile may say where a store is and how it is read;
what would send a secret, read a file, call a receiver or let a cluster's answers be unpacked needs ``meshlab trust``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from meshlab.core.documents import Unreadable, read_bytes, read_json
from meshlab.core.files import write_text
from meshlab.core.ownership import why_not_ours
from meshlab.core.sanitize import plain
from meshlab.errors import ConfigError

__all__ = [
    "LARGEST",
    "checksum",
    "guarded",
    "is_recorded",
    "is_trusted",
    "own_folder",
    "read",
    "record",
    "recorded",
    "refuse",
    "revoke",
]

LARGEST: Final = 1 << 20
"""No meshlab.toml has more bytes."""
_VARIABLE: Final = "MESHLAB_TRUST"
_VERSIONED: Final = (".git", ".hg", ".svn", ".bzr", ".jj", ".pijul", "_darcs", "CVS", ".fslckout", "_FOSSIL_")
_FREE: Final[Mapping[str, frozenset[str]]] = {
    "profile": frozenset(
        {
            *("url", "sources", "kind", "tenant", "match", "limits", "timeout_s", "compression", "cache", "mesh"),
            *("replica_label", "metrics", "labels", "region", "service"),
        }
    ),
    "report": frozenset(
        {
            *("name", "notebook", "sweep", "source", "cron", "tz", "keep", "fail_on"),
            *("over", "pages", "executor", "jobs"),
        }
    ),
}
"""What the tables of a stranger's file may say. All else, and what is added in time, needs trust."""
_FILES: Final = re.compile(r"(_files?|_path|^against)\Z")
_ELSEWHERE: Final = re.compile(r"\A\s*[~/\\]|\.\.|\A[A-Za-z]:\\")


def checksum(data: bytes) -> str:
    """What identifies a file's content."""
    return hashlib.sha256(data).hexdigest()


def own_folder() -> Path:
    """The user's own folder of meshlab's configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "meshlab"


def is_trusted(path: Path, data: bytes) -> bool:
    """Whether a meshlab.toml may name variables, files and receivers.

    Parameters
    ----------
    path : Path
        Nobody else may write it.
    data : bytes
        What it holds: a trusted file that was changed since is another one.
    """
    return not _is_versioned(path.parent) or path.parent == own_folder() or is_recorded(path, data)


def is_recorded(path: Path, data: bytes) -> bool:
    """Whether the user said that this content is trusted, by ``meshlab trust`` or by ``MESHLAB_TRUST``."""
    known = checksum(data)
    named = re.split(r"[\s,:]+", os.environ.get(_VARIABLE, "").lower())
    return known in named or recorded().get(str(path.resolve())) == known


def guarded(kind: str, table: Mapping[str, Any]) -> list[str]:
    """What a stranger's table may not say.

    Parameters
    ----------
    kind : str
        ``profile``, ``report`` or ``notify``.
    """
    return sorted(set(_guarded(kind, table)))


def refuse(path: Path, whose: str, keys: list[str]) -> None:
    """Say what needs trust.

    Raises
    ------
    ConfigError
        There is anything.
    """
    if keys:
        raise ConfigError(
            f"{plain(path)} lies in a version-controlled folder, and is not trusted to name {', '.join(keys)}"
            f" ({plain(whose)})",
            f"read it, then run: meshlab trust {_quoted(path.parent)}",
        )


def record(path: Path, data: bytes) -> str:
    """Trust a file as it is now.

    Returns
    -------
    str
        Its checksum.
    """
    known = {**recorded(), str(path.resolve()): checksum(data)}
    _write(known)
    return checksum(data)


def revoke(path: Path) -> bool:
    """Trust a file no longer; whether it was trusted."""
    known = recorded()
    was = known.pop(str(path.resolve()), None)
    if was is not None:
        _write(known)
    return was is not None


def recorded() -> dict[str, str]:
    """Checksums by the paths of files, as the user recorded them."""
    place = _place()
    if why_not_ours((place.parent, place)):
        return {}
    try:
        found = read_json(place)
    except (OSError, Unreadable):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _guarded(kind: str, table: Mapping[str, Any]) -> Iterator[str]:
    free = _FREE.get(kind, frozenset())
    for key, value in table.items():
        if value in ("", (), [], {}, None) or key in free:
            # A path of a source or a notebook that leads out of the repository is a file like any other.
            if key in ("source", "notebook") and _leads_away(value):
                yield key
        elif kind == "profile" and key == "ui_url" and "{" not in str(value):
            continue
        elif kind == "report" and key == "parameters" and isinstance(value, Mapping):
            yield from (plain(name) for name, text in value.items() if _FILES.search(name) or _leads_away(text))
        else:
            yield plain(key)


def _leads_away(text: object) -> bool:
    return isinstance(text, str) and "://" not in text and bool(_ELSEWHERE.search(text))


def _is_versioned(folder: Path) -> bool:
    return any((place / name).exists() for place in (folder, *folder.parents) for name in _VERSIONED)


def _place() -> Path:
    return own_folder() / "trusted.json"


def _write(known: Mapping[str, str]) -> None:
    place = _place()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(place, json.dumps(known, indent=2, sort_keys=True) + "\n", mode=0o600)
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {error.strerror}", "check who may write it") from None


def _quoted(folder: Path) -> str:
    import shlex

    return plain(shlex.quote(str(folder)))


def read(path: Path) -> bytes:
    """A meshlab.toml's bytes.

    Raises
    ------
    ConfigError
        It cannot be read, or is no ordinary file.
    """
    try:
        return read_bytes(path, LARGEST)
    except Unreadable as error:
        raise ConfigError(f"{path} cannot be used: {error}", "write a meshlab.toml in its place") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check who may read it") from None
