"""What a sweep lets one choose, for the command line and meshlab.toml alike."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Pages", "Workers"]


class Pages(StrEnum):
    """Which services get a page: ``failing`` is anything but PASS."""

    FAILING = "failing"
    ALL = "all"
    NONE = "none"


class Workers(StrEnum):
    """The pool that judges."""

    PROCESSES = "processes"
    THREADS = "threads"
