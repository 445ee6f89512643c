"""VictoriaMetrics's export: a line a series, or a part of one, with its values and timestamps side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from meshlab.core.sanitize import shortened
from meshlab.core.series import Query
from meshlab.engines.export import decode_export
from meshlab.engines.label_tables import MAX_SERIES
from meshlab.errors import EngineError, ParameterError, TooMuch
from meshlab.recordings.assembly import MAX_SAMPLES, Batch
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints

__all__ = ["VictoriaExport"]

_HEAD: Final = 1 << 16
_STARTS: Final = b'{"metric":{'
_BETWEEN: Final = (b'},"values":[', b'],"timestamps":[')


class _Line(msgspec.Struct):
    metric: dict[str, str]
    values: list[float | str | None]
    timestamps: list[float]


class VictoriaExport:
    """What ``/api/v1/export`` answers."""

    name = "VictoriaMetrics export"
    takes: frozenset[str] = frozenset()
    left_open = True

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """The first line is an object of labels, values and timestamps, of which the last may be far away."""
        first = "".join(file.head_text.lstrip().split("\n", 1)[0].split())
        if not first.startswith("{"):
            return False
        names = ('"metric":{' in first, '"values":[' in first, '"timestamps":[' in first)
        return all(names) or (first.startswith('{"metric":{') and len(file.head_text) >= _HEAD // 4 and sum(names) >= 1)

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`."""
        question = Query("", file.name)
        try:
            found = decode_export(
                self._lines(file), question, file.name, max_series=MAX_SERIES, max_samples=MAX_SAMPLES
            )
        except TooMuch:
            raise ParameterError(
                f"{file.name} holds more than {MAX_SAMPLES:,} samples or {MAX_SERIES:,} series",
                "import a part of it, or load it into a VictoriaMetrics and use meshlab record",
            ) from None
        except EngineError:
            raise ParameterError(
                f"{file.name} is not VictoriaMetrics's export all through", "export it again"
            ) from None
        metrics = [{str(n): str(v) for n, v in row.items()} for row in found.labels.to_dict("records")]
        time = found.time.astype("datetime64[ms]", copy=False).view(np.int64)
        yield Batch(metrics, found.sid, time, found.value, found.query.infos)

    @staticmethod
    def _lines(file: ImportedFile) -> Iterator[bytes]:
        """Lines as VictoriaMetrics writes them: others may use spaces, or another order."""
        for number, line in enumerate(file.lines(), 1):
            text = line.strip()
            if not text:
                continue
            if text.startswith(_STARTS) and all(part in text for part in _BETWEEN) and text.endswith(b"]}"):
                yield text + b"\n"
                continue
            try:
                found = msgspec.json.decode(text, type=_Line)
                if len(found.values) != len(found.timestamps):
                    raise ValueError("values and timestamps differ in number")
                values = [str(v if v is not None else "null").encode() for v in found.values]
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
                why = "cut off" if "truncated" in str(error) else "not an object of metric, values and timestamps"
                shown = shortened(text[:200].decode("utf-8", "replace"), 60)
                raise ParameterError(f"{file.name}: line {number:,} is {why}: {shown!r}", "export it again") from None
            times = b",".join(b"%d" % round(t) for t in found.timestamps)
            yield (
                b"".join(
                    (
                        _STARTS[:-1],
                        msgspec.json.encode(found.metric),
                        b',"values":[',
                        b",".join(values),
                        _BETWEEN[1],
                        times,
                    )
                )
                + b"]}\n"
            )
