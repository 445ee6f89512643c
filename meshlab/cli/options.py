"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from meshlab.core.sanitize import address
from meshlab.errors import ParameterError
from meshlab.reports.run.exits import FailOn

__all__ = ["SOURCE", "End", "InconclusiveOk", "Parameters", "Source", "Start", "Threshold", "folder_name", "pairs"]

SOURCE = "A profile, http(s)://..., a recording's name, or a path with a /."

Source = Annotated[str, typer.Option(help=SOURCE)]
Start = Annotated[str, typer.Option(help="Start of the window: RFC 3339 with an offset, unix seconds, or -1h.")]
End = Annotated[str, typer.Option(help="End of the window, same formats (default: now).")]
Parameters = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A parameter of the notebook.")
]
Threshold = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 10 at this verdict or worse.")]
InconclusiveOk = Annotated[
    bool, typer.Option("--inconclusive-ok", help="Exit with 0 instead of 11 when the verdict is inconclusive.")
]


def pairs(texts: Sequence[str] | None) -> dict[str, str]:
    """Parameters by name, from ``name=value`` texts.

    Raises
    ------
    ParameterError
        A text has no ``=`` or no name, or a name is given twice.
    """
    parameters: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {text!r} is not of the form name=value", "write -p name=value")
        if name in parameters:
            raise ParameterError(f"parameter {name} is given twice", "give it once")
        parameters[name] = value
    return parameters


def folder_name(text: str) -> str:
    """A folder's name for a source or a notebook: an address's host and port, a path's last part."""
    bare = address(text) if "://" in text else text.rstrip("/").rpartition("/")[2]
    bare = bare.rpartition("://")[2].rpartition("@")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", bare).strip(".-") or "default"
