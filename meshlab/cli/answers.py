"""The answer to a query, written down: a table, CSV, JSON or Parquet."""

from __future__ import annotations

import json as _json
import math
from collections.abc import Iterator
from datetime import UTC, datetime

from meshlab.core import sanitize
from meshlab.core.sanitize import plain
from meshlab.core.series import SeriesSet

__all__ = ["csv", "json", "parquet", "table"]


def table(answer: SeriesSet) -> str:
    """Aligned columns for people: labels, time (UTC) and value; one line a sample."""
    names = sorted(answer.labels.columns)
    lines = [[*map(plain, names), "time", "value"]]
    for labels, milliseconds, value in _samples(answer):
        lines.append([*(plain(labels[name]) for name in names), _clock(milliseconds), f"{value:.6g}"])
    if len(lines) == 1:
        return "nothing matches\n"
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(_aligned(line, widths) + "\n" for line in lines)


def csv(answer: SeriesSet) -> str:
    """Columns as in `SeriesSet.tidy`; times in RFC 3339, values in full.

    Labels are made harmless for terminals and spreadsheets; JSON and Parquet keep every character of them.
    """
    frame = answer.tidy()
    labels = frame.columns.drop(["time", "value"])
    harmless = {name: frame[name].astype("category").map(sanitize.cell).astype("str") for name in labels}
    frame = frame.assign(**harmless).rename(columns={name: sanitize.cell(name) for name in labels})
    return frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", na_rep="NaN", lineterminator="\n")


def json(answer: SeriesSet) -> str:
    """As Prometheus writes it: a label set a series, samples as unix seconds and text (JSON has no NaN)."""
    labels = [{str(k): v for k, v in row.items() if v != ""} for row in answer.labels.to_dict("records")]
    samples: list[list[list[object]]] = [[] for _ in labels]
    for sid, time, value in zip(answer.sid, answer.time.astype("int64"), answer.value, strict=True):
        samples[int(sid)].append([int(time) / 1000, _number(float(value))])
    document = {
        "query": answer.query.promql,
        "engine": answer.query.engine,
        "window": None if answer.query.window is None else str(answer.query.window),
        "warnings": list(answer.query.warnings),
        "infos": list(answer.query.infos),
        "failed": list(answer.query.failed),
        "series": [{"labels": own, "samples": had} for own, had in zip(labels, samples, strict=True)],
    }
    return sanitize.json(_json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def parquet(answer: SeriesSet) -> bytes:
    """The frame of `SeriesSet.tidy` as a Parquet file, zstd."""
    return answer.tidy().to_parquet(index=False, compression="zstd")


def _samples(answer: SeriesSet) -> Iterator[tuple[dict[str, str], int, float]]:
    rows = answer.labels.to_dict("records")
    for sid, time, value in zip(answer.sid, answer.time.astype("int64"), answer.value, strict=True):
        yield {str(k): str(v) for k, v in rows[int(sid)].items()}, int(time), float(value)


def _aligned(line: list[str], widths: list[int]) -> str:
    *left, last = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
    return "  ".join([*left, last.strip().rjust(widths[-1])])


def _clock(milliseconds: int) -> str:
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000", "")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
