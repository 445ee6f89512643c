"""The formats that can be imported, and which of them a file is."""

from __future__ import annotations

from typing import Final

from meshlab.errors import ParameterError
from meshlab.recordings.importers.csv_long import LongCsv
from meshlab.recordings.importers.csv_wide import WideCsv
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Format, Hints
from meshlab.recordings.importers.parquet import ParquetFrame
from meshlab.recordings.importers.prometheus_json import PrometheusJson
from meshlab.recordings.importers.text import TextFormat
from meshlab.recordings.importers.victoria import VictoriaExport

__all__ = ["FORMATS", "recognise"]

FORMATS: Final[tuple[Format, ...]] = (
    ParquetFrame(),
    VictoriaExport(),
    PrometheusJson(),
    TextFormat(),
    LongCsv(),
    WideCsv(),
)
"""In the order in which they are tried; a new one is a module and a line here."""


def recognise(file: ImportedFile, hints: Hints) -> Format:
    """The format of a file, by what is in it: its name says nothing.

    Raises
    ------
    ParameterError
        It is of none of them.
    """
    for one in FORMATS:
        if one.recognises(file, hints):
            return one
    raise ParameterError(
        f"{file.name} is in no format that can be imported",
        "give Prometheus text or OpenMetrics, Prometheus JSON, VictoriaMetrics's JSON lines, CSV, Parquet, or a folder"
        " of TSDB blocks",
    )
