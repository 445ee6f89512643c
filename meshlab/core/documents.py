"""Files that somebody else may have written: ordinary ones only, within a size, and never quoted in messages."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import yaml

__all__ = ["Unreadable", "read_bytes", "read_json", "read_text", "read_toml", "yaml_documents"]

_LARGEST: Final = 16 << 20
_DEEPEST: Final = 100
_MOST_NODES: Final = 1_000_000
_PLACE: Final = re.compile(r"\(at (line \d+, column \d+|end of document)\)")


class Unreadable(ValueError):
    """Why a file or a text cannot be used, without a word of it."""


def read_bytes(path: Path, largest: int = _LARGEST) -> bytes:
    """What an ordinary file holds.

    Raises
    ------
    Unreadable
        It is a device, a pipe or a folder, or is longer than `largest`.
    OSError
        It cannot be read.
    """
    # A pipe without a writer would be waited for.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable("it is not an ordinary file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise Unreadable(f"it is longer than {largest:,} bytes")
    return data


def read_text(path: Path, largest: int = _LARGEST) -> str:
    """The same as text.

    Raises
    ------
    Unreadable
        As of `read_bytes`, or it is not UTF-8.
    OSError
        It cannot be read.
    """
    try:
        return read_bytes(path, largest).decode()
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None


def read_json(path: Path, largest: int = _LARGEST) -> Any:
    """The JSON of a file.

    Raises
    ------
    Unreadable
        As of `read_text`, or it is no JSON, or is nested without end.
    OSError
        It cannot be read.
    """
    text = read_text(path, largest)
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError:
        raise Unreadable("it is not JSON") from None


def read_toml(data: bytes) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises
    ------
    Unreadable
        It is none; the message names the line, and does not quote it.
    """
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        raise Unreadable(f"look at {place[1] if place else 'its tables'}") from None


def yaml_documents(text: str) -> list[Any]:
    """The documents of a YAML text, as plain values.

    Raises
    ------
    Unreadable
        It is no YAML, is nested too deeply, or its aliases unfold to more than anybody reads; the message names the
        line, and does not quote it.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = text.encode()
        _check_depth(data, loader)
        for root in yaml.compose_all(data, Loader=loader):
            if root is not None and _unfolded(root, {}) > _MOST_NODES:
                raise Unreadable(f"its aliases unfold to more than {_MOST_NODES:,} values")
        return list(yaml.load_all(data, Loader=loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise Unreadable(f"look at line {mark.line + 1}, column {mark.column + 1}" if mark else "no YAML") from None
    except (ValueError, RecursionError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("a value in it is not what it claims to be") from None


def _check_depth(data: bytes, loader: Any) -> None:
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(data, Loader=loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise Unreadable("it is nested too deeply")
        if count > _MOST_NODES:
            raise Unreadable(f"it has more than {_MOST_NODES:,} values")


def _unfolded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has with every alias written out; one that holds itself has too many."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_NODES + 1  # until it is counted
    children = node.value if isinstance(node.value, list) else ()
    total = 1
    for child in children:
        for one in child if isinstance(child, tuple) else (child,):
            total += _unfolded(one, known)
    known[id(node)] = total
    return total
