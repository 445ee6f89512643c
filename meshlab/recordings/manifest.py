"""The manifest of a recording, which is ``manifest.json``, ``series.parquet`` and ``samples.parquet`` in a folder.

The manifest carries sizes and checksums, so that a damaged or half-copied folder is refused, never half read. File
names are fixed here: nothing that a manifest says leads out of its folder.

======================  ===============================================================================================
manifest                what it says
======================  ===============================================================================================
``format``              ``meshlab.recording/1``
``name``, ``what``      the folder's name when it was written; one sentence
``recorded``            the engine's own time, RFC 3339
``window``              ``start`` and ``end``; samples of five minutes before it are there too
``engine``, ``command``  kind of store, without its address; what made the recording
``ranges``              ``closed`` (Prometheus 2) or ``left-open`` (Prometheus 3): the convention to evaluate it by
``names``               ``at once`` or ``delayed``: when Prometheus 3 drops a metric's name; only where it reported it
``selectors``           what was asked for
``series``, ``samples``  counts
``files``               bytes and SHA-256 of each file
``redacted``            labels whose values are pseudonyms; only when there are some
``warnings``            what the engine said beside its answer; only when it said something
``truth``               what is known of what really happened; only when it is
======================  ===============================================================================================
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from meshlab.core.documents import Unreadable, read_bytes
from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError, RecordingError

__all__ = [
    "AGAIN",
    "FILES",
    "FORMAT",
    "MANIFEST",
    "NO_MARKERS",
    "SAMPLES",
    "SERIES",
    "as_json",
    "is_recording",
    "read_manifest",
    "warnings",
]

FORMAT: Final = "meshlab.recording/1"
_FAMILY: Final = "meshlab.recording/"
MANIFEST: Final = "manifest.json"
SERIES: Final = "series.parquet"
SAMPLES: Final = "samples.parquet"
FILES: Final = (SERIES, SAMPLES)
AGAIN: Final = "fetch the recording again"
"""What to try with damaged files."""
NO_MARKERS: Final = "stale markers are missing"
"""How a warning begins that speaks of the ends of series, and not of their samples."""
_LARGEST: Final = 16 << 20

_Count = Annotated[int, Meta(ge=0)]
_Instant = Annotated[datetime, Meta(tz=True)]


class _File(msgspec.Struct):
    bytes: _Count
    sha256: str


class _Files(msgspec.Struct):
    series: _File = msgspec.field(name=SERIES)
    samples: _File = msgspec.field(name=SAMPLES)


class _Window(msgspec.Struct):
    start: _Instant
    end: _Instant

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError("Window that ends before it starts")


class _Manifest(msgspec.Struct):
    """What must hold of every manifest; the rest of it is for people."""

    files: _Files
    series: _Count
    samples: _Count
    ranges: Literal["closed", "left-open"] = "closed"
    names: Literal["at once", "delayed"] | msgspec.UnsetType = msgspec.UNSET
    window: _Window | msgspec.UnsetType = msgspec.UNSET


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a manifest.

    Raises
    ------
    RecordingError
        There is no folder or no manifest, it is damaged, or of a format that this version does not know.
    """
    path = folder / MANIFEST
    if folder.is_file():
        raise RecordingError(
            f"{plain(folder)} is a file, and a recording is a folder",
            f"make one of it with: meshlab import {plain(shlex.quote(str(folder)))} -o DIR",
        )
    if not folder.is_dir():
        begun = folder.with_name(f"{folder.name}.partial").is_dir()
        raise RecordingError(
            f"there is no recording at {plain(folder)}",
            "one was begun there: run its command again to finish it" if begun else "check the path",
        )
    if not path.is_file() and folder.name.endswith(".partial"):
        raise RecordingError(f"{plain(folder)} is an unfinished recording", "run its command again to finish it")
    if not path.is_file():
        raise RecordingError(
            f"{plain(folder)} is not a recording: it has no {MANIFEST}",
            "make one with: meshlab record --source URL -o DIR",
        )
    manifest = _json(path)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or found != FORMAT:
        raise RecordingError(
            f"{plain(folder)} has the format {plain(found)[:60]!r}, and this version reads {FORMAT!r}",
            "use the version of meshlab that wrote it, or record again",
        )
    try:
        msgspec.convert(manifest, _Manifest)
    except msgspec.ValidationError as error:
        raise RecordingError(f"{plain(path)} is damaged: {_lowered(plain(error))}", AGAIN) from None
    return manifest


def is_recording(folder: Path) -> bool:
    """Whether a folder has the manifest of a recording, of whatever version."""
    try:
        manifest = _json(folder / MANIFEST)
    except RecordingError:
        return False
    return isinstance(manifest, dict) and str(manifest.get("format", "")).startswith(_FAMILY)


def as_json(manifest: Mapping[str, object]) -> str:
    """A manifest's text.

    Raises
    ------
    ParameterError
        It holds something that JSON does not know.
    """
    try:
        return json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the manifest cannot be written as JSON: {plain(error)}", "correct its truth") from None


def _json(path: Path) -> object:
    try:
        if path.resolve().parent != path.parent.resolve():
            raise RecordingError(f"{plain(path)} leads out of the recording's folder", "copy the file itself")
        return msgspec.json.decode(read_bytes(path, _LARGEST))
    except Unreadable as error:
        raise RecordingError(f"{plain(path)} cannot be used: {error}", AGAIN) from None
    except (ValueError, RecursionError):
        raise RecordingError(f"{plain(path)} is damaged: it is not JSON", AGAIN) from None
    except OSError as error:
        raise RecordingError(f"{plain(path)} cannot be read: {error.strerror}", "check its permissions") from None


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def warnings(manifest: Mapping[str, object]) -> list[str]:
    """What the recorded store warned of, as far as it speaks of samples that may be missing."""
    given = manifest.get("warnings")
    texts = [str(text) for text in given] if isinstance(given, list) else []
    return [text for text in texts if not text.startswith(NO_MARKERS)]
