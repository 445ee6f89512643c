"""CSV: which dialect of it, its header, and its rows in blocks of text columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from meshlab.core.arrow import reader_of
from meshlab.core.sanitize import plain, shortened
from meshlab.errors import ParameterError
from meshlab.recordings.importers.file import ImportedFile

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "Table", "filled", "floats"]

_DELIMITERS: Final = (",", ";", "\t", "|")
_BLOCK: Final = 8 << 20
_ROW: Final = re.compile(r"Expected (\d+) columns, got (\d+)(?:: (.*))?", re.DOTALL)
_MOST_COLUMNS: Final = 20_000
COLUMNS: Final = {
    "time": ("time", "timestamp", "_time", "ts", "datetime", "date"),
    "value": ("value", "_value"),
    "metric": ("__name__", "metric", "metric_name"),
}
"""What a column is called that holds the time, the value or the metric's name, in any case; the first that is there."""


class Table:
    """A file of separated values.

    Parameters
    ----------
    file : ImportedFile
    columns : mapping
        ``time``, ``value`` or ``metric`` to a column's name, where it is not one of `COLUMNS`.
    """

    def __init__(self, file: ImportedFile, columns: Mapping[str, str]) -> None:
        self._file = file
        self._given = dict(columns)
        first, self._skip = self._first_lines()
        self.delimiter = max(_DELIMITERS, key=lambda d: len(_cells(first, d)))
        self.header = [cell.strip() for cell in _cells(first, self.delimiter)]

    @property
    def is_one(self) -> bool:
        """Whether it seems to be a table at all: two columns, and a time or as many cells in the next row."""
        if len(self.header) < 2 or len(self.header) > _MOST_COLUMNS:
            return False
        lines = [line for line in self._file.head_text.splitlines() if line.strip()]
        second = lines[self._skip + 1] if len(lines) > self._skip + 1 else ""
        same = len(_cells(second, self.delimiter)) == len(self.header)
        return self.column("time") is not None or (bool(self._given) or same)

    def column(self, role: str) -> str | None:
        """The name of the column that holds the time, the value or the metric's name.

        Raises
        ------
        ParameterError
            The one that was named is not there.
        """
        if role in self._given:
            if self._given[role] not in self.header:
                raise ParameterError(
                    f"{self._file.name} has no column {plain(self._given[role])!r}; it has {self.listed}",
                    f"name another one with --columns {role}=COLUMN",
                )
            return self._given[role]
        lower = {name.lower(): name for name in reversed(self.header)}
        return next((lower[name] for name in COLUMNS[role] if name in lower), None)

    @property
    def time(self) -> str:
        """The column of the time.

        Raises
        ------
        ParameterError
            There is none, or two columns have one name.
        """
        time = self.column("time")
        if time is None:
            raise ParameterError(
                f"{self._file.name} has no column for the time; it has {self.listed}",
                "name the one that holds it with --columns time=COLUMN",
            )
        named = [name for name in self.header if name]
        if twice := next((name for name in named if named.count(name) > 1), ""):
            raise ParameterError(f"{self._file.name} has two columns called {plain(twice)!r}", "rename one of them")
        return time

    @property
    def listed(self) -> str:
        """The columns' names, for messages."""
        shown = ", ".join(repr(shortened(name, 40)) for name in self.header[:8])
        return f"{shown} and {len(self.header) - 8} more" if len(self.header) > 8 else shown

    def blocks(self) -> Iterator[pa.Table]:
        """Its rows: columns of text, numbered by their place in the header.

        Raises
        ------
        ParameterError
            A row has another number of cells, a text has no end, or it is no Unicode text.
        """
        from pyarrow import csv as arrow_csv
        from pyarrow import lib, string

        names = [str(at) for at in range(len(self.header))]
        for text in self._records():
            try:
                yield arrow_csv.read_csv(
                    reader_of(text),
                    read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=False),
                    parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, string()), strings_can_be_null=False
                    ),
                )
            except lib.ArrowInvalid as error:
                raise self._wrong_row(str(error)) from None

    def _wrong_row(self, error: str) -> ParameterError:
        name = self._file.name
        if row := _ROW.search(error):
            shown = f": {shortened(row[3].strip(), 60)!r}" if row[3] else ""
            return ParameterError(
                f"{name} has a row of {row[2]} cells where its header has {row[1]}{shown}",
                "check that it is whole, or export it again",
            )
        return ParameterError(f"{name} cannot be read as CSV ({shortened(error, 120)})", "export it again")

    def _records(self) -> Iterator[bytes]:
        """Whole rows, some megabytes at a time; the header left out."""
        rest, size, skip = [], 0, self._skip + 1
        for piece in self._utf8():
            rest.append(piece)
            size += len(piece)
            if size < _BLOCK:
                continue
            text = b"".join(rest)
            end = self._last_end(text)
            if end:
                body, skip = self._without(text[:end], skip)
                if body:
                    yield body
            rest, size = [text[end:]], len(text) - end
        text = b"".join(rest)
        if text.count(b'"') % 2:
            raise ParameterError(f"{self._file.name} is cut off: a quoted cell has no end", "export it again")
        body, _ = self._without(text, skip)
        if body.strip():
            yield body

    @staticmethod
    def _without(text: bytes, lines: int) -> tuple[bytes, int]:
        """Without its first lines, which are in the first block."""
        return (text.split(b"\n", lines)[lines] if lines and text.count(b"\n") >= lines else b"" if lines else text), 0

    @staticmethod
    def _last_end(text: bytes) -> int:
        """Where the last row ends: a line's end inside of quotes is none."""
        end = text.rfind(b"\n")
        inside = text.count(b'"', 0, max(end, 0)) % 2
        while end >= 0 and inside:
            before = text.rfind(b"\n", 0, end)
            inside = (inside + text.count(b'"', max(before, 0), end)) % 2
            end = before
        return end + 1

    def _utf8(self) -> Iterator[bytes]:
        head = self._file.head
        wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
        if not wide:
            for number, piece in enumerate(self._file.pieces()):
                yield piece.removeprefix(codecs.BOM_UTF8) if number == 0 else piece
            return
        decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            for piece in self._file.pieces():
                yield decoder.decode(piece).encode()
            decoder.decode(b"", final=True)
        except UnicodeError:
            raise ParameterError(f"{self._file.name} is cut off: it is no whole UTF-16", "export it again") from None

    def _first_lines(self) -> tuple[str, int]:
        """The header, and how many lines stand before it: Excel reads its delimiter from one."""
        lines = self._file.head_text.splitlines() or [""]
        skip = 1 if lines[0].strip().strip('"').lower().startswith("sep=") and len(lines) > 1 else 0
        return lines[skip], skip


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line; none where its quotes do not fit."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), []) if line.count('"') % 2 == 0 else []
    except csv.Error:
        return []


def filled(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which cells are not empty."""
    from pyarrow import compute

    return compute.not_equal(compute.utf8_trim_whitespace(texts), "")


def floats(texts: pa.ChunkedArray, column: str, origin: str) -> NDArray[np.float64]:
    """Numbers as a table writes them; none of them empty.

    Raises
    ------
    ParameterError
        One is no number.
    """
    import pyarrow as pa
    from pyarrow import compute

    try:
        return np.asarray(compute.cast(compute.utf8_trim_whitespace(texts), pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        wrong = next((text for text in texts.to_pylist() if not _is_number(text)), "")
        raise ParameterError(
            f"{origin} has {shortened(wrong, 40)!r} in the column {shortened(column, 60)!r}, which is no number",
            "export raw numbers; where that column is a label, name the columns with --columns time=...,value=...",
        ) from None


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and float(text) is not None
    except ValueError:
        return False
