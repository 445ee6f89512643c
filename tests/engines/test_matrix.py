"""Decoding an answer, against a plain reading of the same JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.engines.matrix import decode, read_answer
from meshlab.errors import BadQuery, Refused
from meshlab.series import Query, SeriesSet


def read(data: object, **more: object) -> SeriesSet:
    body = json.dumps({"status": "success", "data": data, **more}, ensure_ascii=False).encode()
    return decode(read_answer(body, "a test"), Query(promql="q", engine="a test"), "a test")


def matrix(*series: dict[str, object]) -> dict[str, object]:
    return {"resultType": "matrix", "result": list(series)}


def text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))


values = st.floats(allow_nan=True, allow_infinity=True, width=64)
times = st.integers(0, 4_000_000_000_000)
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)


samples = st.lists(st.tuples(times, values), max_size=5)


@given(st.lists(st.tuples(st.dictionaries(names, names, max_size=3), samples), max_size=5))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_it_reads_what_json_reads(series: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
    found = read(matrix(*({"metric": m, "values": [[t / 1000, text(v)] for t, v in samples]} for m, samples in series)))
    assert len(found) == len(series)
    naive = sorted((tuple(m.get(n, "") for n in sorted(found.labels.columns)), i) for i, (m, _) in enumerate(series))
    wanted_time = [t for _, i in naive for t, _ in series[i][1]]
    wanted_value = [v for _, i in naive for _, v in series[i][1]]
    assert found.time.astype(np.int64).tolist() == wanted_time
    np.testing.assert_array_equal(found.value, np.array(wanted_value, float))


def test_warnings_infos_and_counts_are_kept() -> None:
    found = read(matrix({"metric": {"a": "b"}, "values": [[1.5, "2"]]}), warnings=["w"], infos=["i"])
    assert found.query.warnings == ("w",)
    assert found.query.infos == ("i",)
    assert found.query.points_got == 1
    assert found.query.complete


def test_native_histograms_are_said_not_dropped() -> None:
    found = read(
        matrix(
            {
                "metric": {"__name__": "h"},
                "histograms": [[1, {"count": "3", "sum": "4", "buckets": [[0, "0", "1", "3"]]}]],
            },
            {"metric": {"__name__": "f"}, "values": [[1, "2"]]},
        )
    )
    assert found.value.tolist() == [2]
    assert found.query.failed == ("native histogram of h was not read",)


def test_vectors_and_scalars() -> None:
    vector = read({"resultType": "vector", "result": [{"metric": {"z": "1"}, "value": [7.25, "+Inf"]}]})
    assert vector.value.tolist() == [math.inf]
    assert vector.time.astype(np.int64).tolist() == [7250]
    assert read({"resultType": "scalar", "result": [1, "1e-05"]}).value.tolist() == [1e-5]
    assert len(read(matrix())) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Welcome</html>",
        b"[]",
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":3},"values":[]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2","3"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":7}}',
        b'{"status":"success","data":{"resultType":"string","result":[1,"x"]}}',
        b"\xff\xfe",
    ],
)
def test_what_prometheus_would_not_say_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        decode(read_answer(body, "a test"), Query(promql="q", engine="a test"), "a test")


def test_an_error_of_the_query_is_told_from_one_of_the_server() -> None:
    with pytest.raises(BadQuery, match="unexpected end"):
        read_answer(b'{"status":"error","errorType":"bad_data","error":"unexpected end"}', "a test")
    with pytest.raises(Refused, match="timed out"):
        read_answer(b'{"status":"error","errorType":"timeout","error":"query timed out"}', "a test")
