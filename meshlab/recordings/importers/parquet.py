"""A frame in a Parquet file, one row a sample: what ``meshlab query --format parquet`` and pandas write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from meshlab.errors import ParameterError
from meshlab.recordings.assembly import MAX_SAMPLES, Batch
from meshlab.recordings.frames import frame_batch
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints
from meshlab.recordings.importers.tables import COLUMNS

if TYPE_CHECKING:
    from pyarrow import parquet

__all__ = ["ParquetFrame"]

_MAGIC: Final = b"PAR1"


class ParquetFrame:
    """All columns but the time and the value are labels."""

    name = "Parquet, a row a sample"
    takes = frozenset({"columns", "timezone"})
    left_open = False

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """It begins as Parquet does."""
        return file.head.startswith(_MAGIC)

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`; a row group at a time."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(file.path) as opened:
                self._check(opened, file)
                names = {str(name).lower(): str(name) for name in reversed(opened.schema_arrow.names)}
                time, value, metric = (
                    hints.columns.get(role) or next((names[n] for n in wanted if n in names), wanted[0])
                    for role, wanted in COLUMNS.items()
                )
                for group in range(opened.num_row_groups):
                    frame = opened.read_row_group(group).replace_schema_metadata(None).to_pandas()
                    yield frame_batch(frame, time, value, metric, hints.zone, file.name)
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            raise ParameterError(
                f"{file.name} is not a whole Parquet file: it is cut off or damaged", "copy it again"
            ) from None

    @staticmethod
    def _check(opened: parquet.ParquetFile, file: ImportedFile) -> None:
        if opened.metadata.num_rows > MAX_SAMPLES:
            raise ParameterError(f"{file.name} has more than {MAX_SAMPLES:,} rows", "import a part of it")
