"""The protocol of a format, and what an import may be given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from meshlab.recordings.assembly import Batch
from meshlab.recordings.importers.file import ImportedFile

__all__ = ["Format", "Hints"]


@dataclass(frozen=True, slots=True)
class Hints:
    """What a file does not say by itself.

    Parameters
    ----------
    at_ms : int or None
        The time of samples without one, unix milliseconds.
    columns : mapping
        Of a table: ``time``, ``value`` and ``metric`` to the names of columns.
    metric : str
        The name of series that have none.
    zone : str
        The time zone of times without an offset.
    """

    at_ms: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""
    zone: str = ""


class Format(Protocol):
    """One format."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def takes(self) -> frozenset[str]:
        """Which hints it reads besides ``metric``: ``at``, ``columns``, ``timezone``."""
        ...

    @property
    def left_open(self) -> bool:
        """Whether the store that writes it leaves out the first instant of a range."""
        ...

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """Whether a file is of this format, by its first bytes."""
        ...

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """Its samples.

        Raises
        ------
        ParameterError
            It is damaged, cut off, or does not say what it must.
        """
        ...
