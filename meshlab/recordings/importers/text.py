"""Prometheus's text format and OpenMetrics: what a scrape answers, and what promtool dumps.

Names stay as they stand: a counter gets no ``_total`` that it had not. Times are milliseconds in the one and seconds in
the other, which ends with ``# EOF``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from meshlab.core.sanitize import shortened
from meshlab.errors import ParameterError
from meshlab.recordings.assembly import Batch
from meshlab.recordings.importers.exposition import SERIES, series_labels
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints

__all__ = ["TextFormat"]

_LINE: Final = re.compile(rf"[ \t]*+({SERIES})[ \t]*+([^\s#]++)(?:[ \t]++([^\s#]++))?+[ \t\r]*+(#.*)?")
_VALUE: Final = re.compile(
    r"[+-]?+(?:(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+|inf(?:inity)?+|nan)", re.IGNORECASE
)
_OWN_TO_OPENMETRICS: Final = re.compile(
    r"#[ \t]+(UNIT[ \t]|TYPE[ \t]+\S+[ \t]+(unknown|info|stateset|gaugehistogram)\b)"
)
_EOF: Final = b"# EOF"
_SERIES_AT_ONCE: Final = 1 << 18


class TextFormat:
    """Lines of ``name{label="value"} 1 TIME``."""

    name = "Prometheus text"
    takes = frozenset({"at"})
    left_open = False

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """The first line that is no comment is a sample; or there are only comments on metrics."""
        text = file.head_text
        comments = False
        for line in text.splitlines():
            if line.startswith("#"):
                comments |= line.startswith(("# TYPE ", "# HELP ", "# EOF"))
            elif line.strip():
                found = _LINE.fullmatch(line)
                return found is not None and _VALUE.fullmatch(found[2]) is not None
        return comments

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`; some samples at a time."""
        unit_ms = 1000 if self._is_openmetrics(file) else 1
        places: dict[str, int] = {}
        sid: list[int] = []
        time: list[int] = []
        value: list[float] = []
        ended = owns = False
        for number, raw in enumerate(file.lines(), 1):
            line = self._decoded(raw, file, number)
            if ended and line.strip():
                raise ParameterError(
                    f"{file.name} goes on after # EOF in line {number:,}", "import its parts one by one"
                )
            if line.startswith("#"):
                ended = line.rstrip() == "# EOF"
                owns = owns or _OWN_TO_OPENMETRICS.match(line) is not None
                continue
            if not line.strip():
                continue
            found = _LINE.fullmatch(line.rstrip("\n"))
            if found is None or not _VALUE.fullmatch(found[2]):
                raise self._unreadable(file, number, line)
            sid.append(places.setdefault(found[1], len(places)))
            value.append(float(found[2]))
            time.append(self._time(found[3], unit_ms, hints, file, number))
            if len(sid) >= _SERIES_AT_ONCE:
                yield self._batch(places, sid, time, value, file)
                places, sid, time, value = {}, [], [], []
        if owns and not ended:
            raise ParameterError(f"{file.name} is cut off: it is OpenMetrics, which ends with # EOF", "fetch it again")
        if sid:
            yield self._batch(places, sid, time, value, file)

    @staticmethod
    def _is_openmetrics(file: ImportedFile) -> bool:
        rest = b"\n"
        for piece in file.pieces():
            if b"\n" + _EOF in rest + piece:
                return True
            rest = piece[-len(_EOF) - 1 :]
        return False

    @staticmethod
    def _decoded(raw: bytes, file: ImportedFile, number: int) -> str:
        if not raw.endswith(b"\n") and raw.strip() != _EOF:
            raise ParameterError(
                f"{file.name} is cut off: its last line, {number:,}, has no end", "fetch it again, or end that line"
            )
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise ParameterError(f"{file.name} is not UTF-8 in line {number:,}", "fetch it again") from None
        return text.removeprefix("\ufeff") if number == 1 else text

    @staticmethod
    def _time(text: str | None, unit_ms: int, hints: Hints, file: ImportedFile, number: int) -> int:
        if text is None:
            if hints.at_ms is None:
                raise ParameterError(
                    f"{file.name} has samples without a time, such as line {number:,}",
                    "say when it was scraped with --at, such as --at 2026-01-31T12:00:00Z (once, or once a file)",
                )
            return hints.at_ms
        try:
            if not text.lstrip("-").replace(".", "", unit_ms != 1).isdigit() and unit_ms == 1:
                raise ValueError(text)
            return round(float(text) * 1000) if unit_ms == 1000 else int(text)
        except (ValueError, OverflowError):
            unit = (
                "seconds"
                if unit_ms == 1000
                else "whole milliseconds (only OpenMetrics has seconds: it ends with # EOF)"
            )
            raise ParameterError(
                f"{file.name} has the time {shortened(text, 40)!r} in line {number:,}, which is not in {unit}",
                "fetch it again, or mend it",
            ) from None

    @staticmethod
    def _unreadable(file: ImportedFile, number: int, line: str) -> ParameterError:
        return ParameterError(
            f"{file.name} is not Prometheus's text format in line {number:,}: {shortened(line.strip(), 80)!r}",
            "mend that line, or check that the file is whole",
        )

    @staticmethod
    def _batch(
        places: dict[str, int], sid: list[int], time: list[int], value: list[float], file: ImportedFile
    ) -> Batch:
        metrics = []
        for text in places:
            try:
                metrics.append(series_labels(text))
            except ValueError as error:
                raise ParameterError(
                    f"{file.name} has the series {shortened(text, 80)!r}: {error}", "mend it"
                ) from None
        try:
            stamps = np.array(time, np.int64)
        except OverflowError:
            raise ParameterError(f"{file.name} has a time beyond all years", "check the unit of its times") from None
        return Batch(metrics, np.array(sid, np.int32), stamps, np.array(value, np.float64))
