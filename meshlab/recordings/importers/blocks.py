"""TSDB blocks, as a snapshot, a data folder or promtool leave them: recorded through a local Prometheus."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import requests

from meshlab.core.sanitize import plain
from meshlab.core.window import Span
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import ParameterError, RecordingError
from meshlab.recordings import recorder
from meshlab.recordings.importers.local_prometheus import serving
from meshlab.recordings.manifest import is_recording

__all__ = ["import_blocks"]

_ALL: Final = '{__name__=~".+"}'
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_META: Final = "meta.json"


class _Meta(msgspec.Struct):
    minTime: int  # noqa: N815  (the names in the JSON)
    maxTime: int  # noqa: N815
    thanos: dict[str, object] = {}


class _HeadStats(msgspec.Struct):
    minTime: int = 0  # noqa: N815
    maxTime: int = 0  # noqa: N815


class _Data(msgspec.Struct):
    headStats: _HeadStats = msgspec.field(default_factory=_HeadStats)  # noqa: N815


class _Status(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _BlocksEngine(PrometheusEngine):
    """The local server, which is called by what it serves: its port is another one each time."""

    def __init__(self, url: str, names: str) -> None:
        super().__init__(url)
        self._names = names

    @property
    def description(self) -> str:
        """Kind, and the folders."""
        return f"{super().description.partition(' at ')[0]} at {self._names}"


def import_blocks(paths: Sequence[Path], out: Path, *, what: str, command: str, progress: recorder.Progress) -> Path:
    """Record all that is in TSDB blocks.

    Parameters
    ----------
    paths : sequence of Path
        Blocks, or folders that hold blocks; nothing else.
    out : Path
        The recording's folder.
    what, command : str
    progress : callable

    Raises
    ------
    ParameterError
        A path is something else, there is no local ``prometheus``, or there is nothing in the blocks.
    RecordingError
        The blocks cannot be read, or the folder cannot be written.
    """
    blocks, heads = _found(paths)
    names = ", ".join(plain(path) for path in paths)
    parent = out.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".meshlab-blocks-", dir=parent) as folder,
        serving(blocks, heads, Path(folder)) as url,
    ):
        engine = _BlocksEngine(url, names)
        spans = [_span(block) for block in blocks] + _head_span(url, bool(heads))
        spans = [(first, last) for first, last in spans if first <= last]
        if not spans:
            raise ParameterError(f"{names} holds no sample", "check how it was exported")
        window = Span(min(first for first, _ in spans) - 1, max(last for _, last in spans))
        return recorder.record(
            engine, [_ALL], window, out, what=what, command=command, progress=progress, resume_key=names
        )


def _found(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Blocks, and data folders with a write-ahead log."""
    blocks: list[Path] = []
    heads: list[Path] = []
    for path in paths:
        name = plain(path)
        if not path.is_dir():
            raise ParameterError(f"{name} is a file, and others are folders", "import files and TSDB blocks apart")
        if (path / _META).is_file():
            blocks.append(path)
            continue
        inner = sorted(p for p in path.iterdir() if _ULID.fullmatch(p.name) and (p / _META).is_file())
        if (path / "wal").is_dir():
            heads.append(path)
        elif not inner:
            one = is_recording(path)
            raise ParameterError(
                f"{name} is {'a recording already' if one else 'a folder without TSDB blocks'}",
                f"use it with --source ./{name}" if one else "name the files themselves, or a snapshot's folder",
            )
        blocks += inner
    if len(heads) > 1:
        raise ParameterError("there are several folders with a write-ahead log", "import them one by one, or snapshots")
    twice = [block.resolve().name for block in blocks]
    if len(set(twice)) < len(twice):
        raise ParameterError("a block is named twice", "name each once")
    return blocks, heads


def _span(block: Path) -> tuple[int, int]:
    """Its first and last moment, unix milliseconds."""
    try:
        meta = msgspec.json.decode((block / _META).read_bytes(), type=_Meta)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        raise ParameterError(
            f"{plain(block)} is not a whole TSDB block: its {_META} is damaged", "copy it again"
        ) from None
    downsample = meta.thanos.get("downsample")
    if isinstance(downsample, dict) and downsample.get("resolution"):
        raise ParameterError(f"{plain(block)} is a downsampled block of Thanos", "import the raw blocks")
    # Its end is not in it.
    return meta.minTime, meta.maxTime - 1


def _head_span(url: str, there: bool) -> list[tuple[int, int]]:
    """What the write-ahead log holds."""
    if not there:
        return []
    try:
        status = msgspec.json.decode(requests.get(f"{url}/api/v1/status/tsdb", timeout=30).content, type=_Status)
    except (requests.RequestException, msgspec.DecodeError):
        raise RecordingError("the local prometheus does not say what its write-ahead log holds", "try again") from None
    return [(status.data.headStats.minTime, status.data.headStats.maxTime)]
