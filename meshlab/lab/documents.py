"""Scenarios as TOML documents: those that come with meshlab, what they extend, and keys that are set."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from meshlab.core.suggest import unknown
from meshlab.errors import ParameterError

__all__ = ["Document", "bundled", "changed", "overridden", "parse", "read"]

Document = dict[str, Any]


def bundled() -> dict[str, str]:
    """The scenarios that come with meshlab: name -> TOML text, sorted by name."""
    return {name: text for name, text in _shipped().items() if not name.startswith("_")}


def read(name: str) -> tuple[str, str]:
    """A scenario's name and TOML text, by its name or, when that holds a slash, from a file.

    Raises
    ------
    ParameterError
        There is no such scenario, or the file cannot be read.
    """
    if "/" not in name:
        texts = bundled()
        if name not in texts:
            raise unknown("scenario", name, texts)
        return name, texts[name]
    path = Path(name)
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParameterError(f"the scenario {name} is not UTF-8 text", "write it as TOML") from error
    except OSError as error:
        raise ParameterError(f"the scenario {name} cannot be read: {error.strerror}", "check the path") from error


def parse(name: str, text: str) -> Document:
    """The document of a TOML text, laid over the one that it extends.

    Raises
    ------
    ParameterError
        It is no TOML, or extends what does not exist.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"the scenario {name} is no TOML: {error}", "correct the line it names") from error
    if "extends" not in document:
        return document
    base, shipped = document.pop("extends"), {name.removeprefix("_"): text for name, text in _shipped().items()}
    if not isinstance(base, str) or base not in shipped:
        raise unknown("scenario to extend", str(base), shipped)
    if base == name.removeprefix("_"):
        raise ParameterError(f"the scenario {name} extends itself", "extend another")
    return _laid_over(parse(base, shipped[base]), document)


def overridden(document: Document, overrides: Iterable[str]) -> Document:
    """The document with settings such as ``load.rate_per_s=50``: a dotted key and a TOML value.

    Raises
    ------
    ParameterError
        An override is no setting, or its key leads through a value.
    """
    settings = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise ParameterError(f"{override!r} is no setting", "write key=value, such as load.rate_per_s=50")
        settings.append((key.strip(), _value(value.strip())))
    return changed(document, settings)


def changed(document: Document, settings: Iterable[tuple[str, object]]) -> Document:
    """The document with dotted keys set to values.

    Raises
    ------
    ParameterError
        A key leads through a value, or to a workload that does not exist.
    """
    document = copy.deepcopy(document)
    for key, value in settings:
        _set(document, key, copy.deepcopy(value))
    return document


def _shipped() -> dict[str, str]:
    """All TOML files; those that begin with an underscore are only extended by others."""
    folder = resources.files("meshlab.lab") / "scenarios"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): entry.read_text("utf-8") for entry in sorted(files, key=lambda e: e.name)}


def _laid_over(base: Document, over: Document) -> Document:
    both = dict(base)
    for key, value in over.items():
        below = both.get(key)
        both[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as a string: quotes inside a shell's quotes are easily lost.
        return text


def _set(document: Document, key: str, value: object) -> None:
    """Set one key. A workload has to exist, so that a misspelled one is found; other tables are made."""
    parts = key.split(".")
    if not all(parts):
        raise ParameterError(f"{key!r} is no key", "write it with dots, such as load.rate_per_s")
    table = document
    for depth, part in enumerate(parts[:-1]):
        path = ".".join(parts[: depth + 1])
        if parts[:depth] == ["workloads"] and part not in table:
            raise unknown("workload", part, table)
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ParameterError(f"{path} is a value, not a table", f"set {path}=...")
    table[parts[-1]] = value
