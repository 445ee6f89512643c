"""The work folder of a recording that is being made: what was asked, and the pieces that are there.

It stands beside the target and is called ``TARGET.partial``. Every file in it is written beside and renamed, and a
piece counts once its note is there, so that a process may be killed at any moment.

=========================  ============================================================================================
file                       what it holds
=========================  ============================================================================================
``journal.json``           what was asked, the window that this meant, when it began, and the key of its pseudonyms
``lock``                   held by the process that works here
``labels-SHA.parquet``     a label table, shared by the pieces that have the same series
``S-FROM-UNTIL.parquet``   samples of selector number S, sorted by series and time
``S-FROM-UNTIL.json``      the note of this piece: checksum, number of samples, warnings
=========================  ============================================================================================
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace

from meshlab.core.files import write_bytes, write_text
from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.errors import ParameterError, RecordingError
from meshlab.recordings.writer import SamplesWriter, checksum

__all__ = ["JOURNAL", "Piece", "WorkFolder", "ordered", "work_folder"]

JOURNAL: Final = "journal.json"
_LOCK: Final = "lock"
_OURS: Final = re.compile(
    r"lock|labels\.new|labels-[0-9a-f]{64}\.parquet"
    r"|-?\d+--?\d+--?\d+\.(json|parquet|new)|journal\.json|\.[^/]+\.json\.[0-9a-f]{8}"
)
"""Names of all files that a work folder may hold, those that are being written among them."""
_ROW_GROUP: Final = 1 << 15
"""Small, because the end holds one row group of each piece in memory."""


class Piece(msgspec.Struct, frozen=True):
    """Samples of one selector in a span of time (start < time <= end).

    Parameters
    ----------
    selector : int
        Its number among what was asked for.
    start_ms, end_ms : int
    samples : int
    labels : str
        SHA-256 of the file with its label table; empty without samples.
    sha256 : str
        Of the file with its samples; empty without samples.
    warnings : tuple of str
        What the engine said beside its answer.
    """

    selector: int
    start_ms: int
    end_ms: int
    samples: int
    labels: str = ""
    sha256: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Its name among the files."""
        return f"{self.selector:03}-{self.start_ms}-{self.end_ms}"


def work_folder(target: Path) -> Path:
    """Where a recording is prepared."""
    target = target.resolve()
    return target.with_name(f"{target.name}.partial")


class WorkFolder:
    """A folder in which pieces are collected; see `WorkFolder.held`.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal: dict[str, Any] = {}
        self.pieces: dict[int, dict[int, Piece]] = {}

    @classmethod
    @contextmanager
    def held(cls, folder: Path) -> Iterator[WorkFolder]:
        """Take a work folder, new or begun, for this process alone.

        Raises
        ------
        ParameterError
            Another process works in it, or it holds something else.
        RecordingError
            It cannot be written.
        """
        found = cls(folder)
        try:
            if folder.exists() and not found._is_ours():
                raise ParameterError(
                    f"{plain(folder)} holds something other than an unfinished recording",
                    "move it away, or choose another folder",
                )
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (folder / _LOCK).open("ab") as lock:
                _lock(lock, folder)
                found._load()
                yield found
        except OSError as error:
            raise RecordingError(
                f"{plain(folder)} cannot be written: {error.strerror or type(error).__name__}",
                "choose another folder, or free some space",
            ) from None

    def begin(self, journal: Mapping[str, object]) -> None:
        """Note what is to be recorded, before the first piece."""
        self._clear()
        self.journal = dict(journal)
        write_text(self.folder / JOURNAL, json.dumps(self.journal, indent=2, sort_keys=True) + "\n", mode=0o600)

    @property
    def is_empty(self) -> bool:
        """Whether no piece is finished."""
        return not any(self.pieces.values())

    def add(self, selector: int, start_ms: int, end_ms: int, found: SeriesSet) -> Piece:
        """Keep an answer, whose series are sorted by their labels and have samples."""
        piece = Piece(selector, start_ms, end_ms, len(found.sid), warnings=found.query.warnings)
        if piece.samples:
            table = _table(found.labels)
            beside = self.folder / f"{piece.stem}.new"
            with SamplesWriter(beside, row_group=_ROW_GROUP, level=1) as samples:
                samples.append(found.sid, found.time, found.value)
            piece = replace(piece, labels=self._keep_labels(table), sha256=checksum(beside))
            _settle(beside, self.samples_path(piece))
        write_bytes(self.folder / f"{piece.stem}.json", msgspec.json.encode(piece))
        self.pieces.setdefault(selector, {})[start_ms] = piece
        return piece

    def samples_path(self, piece: Piece) -> Path:
        """The file with a piece's samples."""
        return self.folder / f"{piece.stem}.parquet"

    def labels(self, sha256: str) -> pd.DataFrame:
        """A label table, by its checksum."""
        from pyarrow import parquet

        found: pd.DataFrame = parquet.read_table(self._labels_path(sha256)).to_pandas().astype("str")
        return found

    def samples(self, piece: Piece) -> SeriesSet:
        """A piece that was kept."""
        from pyarrow import parquet

        query = Query("", "", warnings=piece.warnings)
        if not piece.samples:
            return SeriesSet.empty(query)
        table = parquet.read_table(self.samples_path(piece))
        sid, time, value = (table[name].to_numpy() for name in ("sid", "time", "value"))
        return SeriesSet(self.labels(piece.labels), sid, time.astype("datetime64[ms]", copy=False), value, query)

    def remove(self) -> None:
        """End the work: nothing of it stays, the key of its pseudonyms least of all."""
        (self.folder / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _labels_path(self, sha256: str) -> Path:
        return self.folder / f"labels-{sha256}.parquet"

    def _keep_labels(self, table: bytes) -> str:
        import hashlib

        sha256 = hashlib.sha256(table).hexdigest()
        if not self._labels_path(sha256).exists():
            beside = self.folder / "labels.new"
            beside.write_bytes(table)
            _settle(beside, self._labels_path(sha256))
        return sha256

    def _is_ours(self) -> bool:
        if not self.folder.is_dir():
            return False
        # A process may have been killed before its journal was there, or after it was gone.
        there = {path.name for path in self.folder.iterdir()}
        return JOURNAL in there or all(map(_OURS.fullmatch, there))

    def _load(self) -> None:
        """What an earlier process left: its journal, and those of its pieces that are whole."""
        path = self.folder / JOURNAL
        if not path.exists():
            return
        try:
            self.journal = dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            raise RecordingError(f"{plain(path)} is damaged", f"delete {plain(self.folder)} and record again") from None
        for note in sorted(self.folder.glob("*-*-*.json")):
            try:
                piece = msgspec.json.decode(note.read_bytes(), type=Piece)
                whole = piece.stem == note.stem and self._is_whole(piece)
            except (ValueError, OSError):
                whole = False
            if whole:
                self.pieces.setdefault(piece.selector, {})[piece.start_ms] = piece
            else:
                note.unlink()

    def _is_whole(self, piece: Piece) -> bool:
        if not piece.samples:
            return True
        files = {self.samples_path(piece): piece.sha256, self._labels_path(piece.labels): piece.labels}
        damaged = [path for path, wanted in files.items() if not path.is_file() or checksum(path) != wanted]
        for path in damaged:
            path.unlink(missing_ok=True)
        return not damaged

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                path.unlink()
        self.pieces = {}


def _table(labels: pd.DataFrame) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {str(name): pa.array(labels[name].astype(object), pa.string()) for name in labels.columns}
    # A column of its own keeps the number of rows where there is no label.
    buffer = io.BytesIO()
    parquet.write_table(
        pa.table(columns) if columns else pa.table({"": pa.array([""] * len(labels))}), buffer, compression="zstd"
    )
    return buffer.getvalue()


def _settle(beside: Path, path: Path) -> None:
    """Give a file its name once it is on the disk."""
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)


def _lock(file: io.BufferedIOBase, folder: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # where there is no such lock, nobody is kept out
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ParameterError(
            f"another process is recording in {plain(folder)}", "wait for it, or choose another folder"
        ) from None


def ordered(found: SeriesSet, after_ms: int, until_ms: int) -> SeriesSet:
    """An answer's samples within a span, its series sorted by their labels and without those that have none.

    The order is that of the values, label by label in the order of their names: it is the same in all pieces, whatever
    other labels the series of each piece have.
    """
    time = found.time.astype("datetime64[ms]", copy=False).view(np.int64)
    keep = (time > after_ms) & (time <= until_ms)
    sid, value = found.sid, found.value
    if not keep.all():
        sid, time, value = sid[keep], time[keep], value[keep]
    names = sorted(name for name in found.labels.columns)
    rows = list(zip(*(found.labels[name].tolist() for name in names), strict=True)) if names else [()] * len(found)
    used = np.flatnonzero(np.bincount(sid, minlength=len(found)))
    order = np.array(sorted(used.tolist(), key=rows.__getitem__), np.int64)
    number = np.zeros(len(found), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    sid = number[sid]
    step = np.diff(sid)
    if not ((step > 0) | ((step == 0) & (np.diff(time) >= 0))).all():
        at = np.lexsort((time, sid))
        sid, time, value = sid[at], time[at], value[at]
    labels = found.labels[names].iloc[order].reset_index(drop=True)
    labels = labels.loc[:, (labels != "").any(axis=0)]
    return SeriesSet(labels, sid, time.view("datetime64[ms]"), value, found.query)
