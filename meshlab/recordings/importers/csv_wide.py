"""CSV with a column a series, such as Grafana's "series joined by time"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from meshlab.core.sanitize import shortened
from meshlab.errors import ParameterError
from meshlab.promql.values import METRIC
from meshlab.recordings.assembly import Batch
from meshlab.recordings.importers.exposition import is_name, series_labels
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints
from meshlab.recordings.importers.tables import Table, filled, floats
from meshlab.recordings.moments import moments_ms

__all__ = ["LEGEND", "WideCsv"]

LEGEND: Final = "series"
"""The label that keeps a column's name where the metric's name is given."""


class WideCsv:
    """An empty cell is no sample."""

    name = "CSV, a column a series"
    takes = frozenset({"columns", "timezone"})
    left_open = False

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """A table without a column of values."""
        table = Table(file, hints.columns)
        return table.is_one and table.column("value") is None

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`."""
        table = Table(file, hints.columns)
        time = table.time
        columns = [(str(at), name) for at, name in enumerate(table.header) if name and name != time]
        metrics = [self._labels(name, hints.metric, file) for _, name in columns]
        place = str(table.header.index(time))
        for block in table.blocks():
            stamps = moments_ms(block[place].to_numpy(), hints.zone, file.name)
            sid, at, value = [], [], []
            for number, (column, name) in enumerate(columns):
                cells = block[column]
                there = filled(cells)
                value.append(floats(cells.filter(there), name, file.name))
                sid.append(np.full(len(value[-1]), number, np.int32))
                at.append(stamps[there.to_numpy()])
            if columns:
                yield Batch(metrics, np.concatenate(sid), np.concatenate(at), np.concatenate(value))

    @staticmethod
    def _labels(header: str, metric: str, file: ImportedFile) -> dict[str, str]:
        """What a column's header says: ``up{job="a"}``, ``{job="a"}``, a metric's name, or a legend."""
        if "{" not in header and metric:
            return {METRIC: metric, LEGEND: header}
        if "{" not in header:
            if is_name(header):
                return {METRIC: header}
            raise ParameterError(
                f"{file.name} has the column {shortened(header, 60)!r}, which is no metric's name",
                "name the metric of all columns with --metric NAME",
            )
        try:
            labels = series_labels(header)
        except ValueError:
            if metric:
                return {METRIC: metric, LEGEND: header}
            raise ParameterError(
                f"{file.name} has the column {shortened(header, 60)!r}, whose labels cannot be read",
                "name the metric of all columns with --metric NAME",
            ) from None
        if METRIC not in labels and not metric:
            raise ParameterError(
                f"{file.name} has the column {shortened(header, 60)!r} without a metric's name",
                "give it with --metric NAME",
            )
        return labels
