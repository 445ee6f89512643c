"""A recording's folder as a whole in memory, and back."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from meshlab.core.series import SeriesSet
from meshlab.promql.sample_store import Resident
from meshlab.recordings.reader import open_folder
from meshlab.recordings.writer import writing

__all__ = ["Stored", "read_folder", "write_folder"]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Raw samples, sorted by series and time, and the manifest."""

    series: SeriesSet
    manifest: dict[str, object]


def read_folder(folder: Path, *, verify: bool = True) -> Stored:
    """Read a recording whole."""
    store, manifest = open_folder(folder, verify=verify, resident=sys.maxsize)
    assert isinstance(store, Resident)
    return Stored(store.series, manifest)


def write_folder(folder: Path, stored: Stored) -> None:
    """Write a recording; the manifest is completed."""
    found = stored.series
    with writing(folder, found.labels, stored.manifest) as samples:
        samples.append(found.sid, found.time, found.value)
