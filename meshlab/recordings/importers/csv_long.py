"""CSV with a row a sample: one column is the time, one the value, and all others are labels."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from meshlab.promql.values import METRIC
from meshlab.recordings.assembly import Batch
from meshlab.recordings.frames import grouped
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints
from meshlab.recordings.importers.tables import Table, filled, floats
from meshlab.recordings.moments import moments_ms

__all__ = ["LongCsv"]


class LongCsv:
    """An empty cell is no label, and a row without a value is no sample."""

    name = "CSV, a row a sample"
    takes = frozenset({"columns", "timezone"})
    left_open = False

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """A table with a column of values."""
        table = Table(file, hints.columns)
        return table.is_one and table.column("value") is not None

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`."""
        table = Table(file, hints.columns)
        time, value, metric = table.time, table.column("value"), table.column("metric")
        assert value is not None
        places = {name: str(at) for at, name in enumerate(table.header) if name}
        labels = {METRIC if name == metric else name: at for name, at in places.items() if name not in (time, value)}
        for block in table.blocks():
            rows = block.filter(filled(block[places[value]]))
            text = pd.DataFrame(
                {name: rows[at].to_pandas() for name, at in labels.items()}, index=pd.RangeIndex(rows.num_rows)
            )
            metrics, sid = grouped(text)
            stamps = moments_ms(rows[places[time]].to_numpy(), hints.zone, file.name)
            yield Batch(metrics, sid, stamps, floats(rows[places[value]], value, file.name))
