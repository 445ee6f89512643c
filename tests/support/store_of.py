"""A recording behind Prometheus's API, on a real socket: a store that tells whoever asks what it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import fault_server as fault
from fault_server import Exchange, Fault

from meshlab.core.series import SeriesSet
from meshlab.core.window import Span, Window
from meshlab.errors import MeshlabError
from meshlab.recordings.engine import Recording

__all__ = ["refusing", "store_of"]


def store_of(folder: Path, *, indiscreet: bool = True) -> Fault:
    """Answer what a recording would, at the recording's end.

    Parameters
    ----------
    folder : Path
    indiscreet : bool
        Whether every answer has a warning with all headers that came, as a proxy in a debugging mode adds.
    """
    recording = Recording.open(folder)

    def reply(exchange: Exchange) -> None:
        try:
            found = _found(recording, exchange)
        except MeshlabError as error:
            fault.answer(fault.error("bad_data", str(error)), 400)(exchange)
            return
        beside = {"warnings": [_sent(exchange)]} if indiscreet else {}
        fault.answer(fault.data(found, **beside))(exchange)

    return reply


def refusing(status: int) -> Fault:
    """Refuse, and repeat in the body and its head what came."""

    def reply(exchange: Exchange) -> None:
        said = fault.error("unauthorized", _sent(exchange))
        fault.answer(said, status, WWW_Authenticate=f"Bearer error={json.dumps(_sent(exchange))}")(exchange)

    return reply


def _sent(exchange: Exchange) -> str:
    return "I was sent " + ", ".join(f"{name}: {value}" for name, value in exchange.headers.items())


def _found(recording: Recording, exchange: Exchange) -> object:
    path, form = exchange.path.partition("?")[0], exchange.form
    if path == "/api/v1/query_range":
        return _matrix(recording.query_range(form["query"], Window(*_ms(form, "start", "end", "step"))))
    if path == "/api/v1/series":
        return _labels(recording.series(form["match[]"], Span(*_ms(form, "start", "end"))))
    if path == "/api/v1/query":
        at = datetime.fromtimestamp(float(form["time"]), UTC) if "time" in form else recording.now()
        answers: dict[str, Callable[[SeriesSet], object]] = {"matrix": _matrix, "vector": _vector, "scalar": _scalar}
        found = recording.query(form["query"], at)
        return answers[found.query.result_type](found)
    return {}


def _ms(form: Mapping[str, str], *names: str) -> tuple[int, ...]:
    return tuple(round(1000 * float(form[name])) for name in names)


def _labels(found: SeriesSet) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if value} for row in found.labels.to_dict("records")]


def _points(found: SeriesSet) -> list[tuple[int, list[object]]]:
    seconds = found.time.astype("datetime64[ms]").astype("int64") / 1000
    rows = zip(found.sid.tolist(), seconds.tolist(), found.value.tolist(), strict=True)
    return [(sid, [second, repr(value)]) for sid, second, value in rows]


def _matrix(found: SeriesSet) -> object:
    values: list[list[object]] = [[] for _ in range(len(found.labels))]
    for sid, point in _points(found):
        values[sid].append(point)
    series = [{"metric": m, "values": v} for m, v in zip(_labels(found), values, strict=True)]
    return {"resultType": "matrix", "result": series}


def _vector(found: SeriesSet) -> object:
    labels = _labels(found)
    return {
        "resultType": "vector",
        "result": [{"metric": labels[sid], "value": point} for sid, point in _points(found)],
    }


def _scalar(found: SeriesSet) -> object:
    ((_, point),) = _points(found)
    return {"resultType": "scalar", "result": point}
