"""Columns of a recording's files, whoever wrote them: pandas has other types for the same things."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshlab.core.sanitize import plain
from meshlab.errors import RecordingError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["Columns"]


class Columns:
    """A Parquet file of which some columns are read, as the types that they ought to have.

    A missing text is the empty one and a missing ``value`` is NaN, which pandas writes so.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    path : Path
        For messages.
    wanted : pyarrow.Schema

    Raises
    ------
    RecordingError
        A column is missing, or holds something else.
    """

    def __init__(self, file: parquet.ParquetFile, path: Path, wanted: pa.Schema) -> None:
        self.metadata: Any = file.metadata
        self.num_row_groups: int = file.num_row_groups
        self._file, self._path, self._wanted = file, path, wanted
        found = file.schema_arrow
        for field in wanted:
            if found.names.count(field.name) != 1:
                raise RecordingError(
                    f"{plain(path)} does not have the columns of a recording: it has"
                    f" {'two' if field.name in found.names else 'none'} called {plain(field.name)!r}",
                    f"write it with the columns {', '.join(plain(name) for name in wanted.names[:3])}",
                )
            if not _fits(found.field(field.name).type, field.type):
                raise RecordingError(
                    f"{plain(path)} does not have the columns of a recording: {plain(field.name)!r} is"
                    f" {found.field(field.name).type}",
                    f"write it as {_in_words(field.type)}",
                )

    def read(self) -> pa.Table:
        """All of it."""
        return self._cast(self._file.read(columns=self._wanted.names))

    def read_row_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of one row group."""
        return self._cast(self._file.read_row_group(group, columns=list(columns)))

    def _cast(self, table: pa.Table) -> pa.Table:
        import pyarrow as pa

        columns = {}
        for name in table.column_names:
            column, kind = table[name], self._wanted.field(name).type
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            if column.type != kind:
                # Finer times are cut off; a number that does not fit is an error.
                column = column.cast(kind, safe=not pa.types.is_timestamp(kind))
            if column.null_count and (pa.types.is_string(kind) or name == "value"):
                column = column.fill_null("" if pa.types.is_string(kind) else float("nan"))
            columns[name] = column
        return pa.table(columns)


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether one type can be read as another without a guess."""
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    if types.is_string(wanted):
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_null(found))
    if types.is_timestamp(wanted):
        return bool(types.is_int64(found) or (types.is_timestamp(found) and found.tz is not None))
    if types.is_integer(wanted):
        return bool(types.is_integer(found))
    return bool(types.is_integer(found) or types.is_floating(found))


def _in_words(kind: pa.DataType) -> str:
    from pyarrow import types

    if types.is_timestamp(kind):
        return "times with the zone UTC, or unix milliseconds (int64)"
    if types.is_string(kind):
        return "text"
    return "whole numbers" if types.is_integer(kind) else "numbers"
