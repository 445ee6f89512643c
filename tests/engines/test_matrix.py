"""Decoding, against the plain way: json.loads and a float for each sample."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.engines.label_tables import label_table, read_series
from meshlab.engines.matrix import decode, only_histograms_lack
from meshlab.errors import BadQuery, EngineError, Refused

WINDOW = Window(0, 60_000, 15_000)
QUESTION = Query("m", "test", window=WINDOW)
HISTOGRAM = [15, {"count": "3", "sum": "1", "buckets": [[0, "0.5", "1", "3"]]}]


def body(result: object, kind: str = "matrix", **beside: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **beside}).encode()


def compact(result: object) -> bytes:
    """As Go writes it."""
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": result}}, separators=(",", ":")
    ).encode()


def naive(result: Sequence[Mapping[str, object]]) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    rows = []
    for series in json.loads(json.dumps(result)):
        samples = series.get("values", [])
        rows.append((dict(sorted(series["metric"].items())), [(round(t * 1000), float(v)) for t, v in samples]))
    names = sorted({name for metric, _ in rows for name in metric})
    return sorted(rows, key=lambda row: [row[0].get(name, "") for name in names])


def plainly(found: SeriesSet) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    rows = []
    for i, labels in enumerate(found.labels.to_dict("records") if len(found.labels.columns) else [{}] * len(found)):
        own = found.sid == i
        samples = list(zip(found.time[own].astype(np.int64).tolist(), found.value[own].tolist(), strict=True))
        rows.append(({k: v for k, v in labels.items() if v != ""}, samples))
    return rows


def same(a: object, b: object) -> bool:
    return repr(a) == repr(b)


NUMBER = st.one_of(
    st.floats().map(repr),
    st.sampled_from(["NaN", "+Inf", "-Inf", "1e-05", "1e+06", "0", "-0", "5e-324", "1.7976931348623157e+308"]),
)
LABELS = st.dictionaries(st.sampled_from(["__name__", "a", "time", "value", "sid"]), st.text(min_size=1, max_size=6))


@given(
    st.lists(
        st.tuples(LABELS, st.lists(st.tuples(st.integers(0, 4_000_000_000_000), NUMBER), max_size=4)),
        max_size=5,
        unique_by=lambda s: tuple(sorted(s[0].items())),
    ),
    st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_every_matrix_is_decoded_as_the_plain_way_does(
    series: list[tuple[dict[str, str], list[tuple[int, str]]]], spaced: bool
) -> None:
    result = [{"metric": labels, "values": [[ms / 1000, text] for ms, text in samples]} for labels, samples in series]
    found = decode(body(result) if spaced else compact(result), QUESTION, "test")
    assert same(plainly(found), naive(result))
    assert found.query.points_got == len(found.sid)
    assert list(found.labels.columns) == sorted(found.labels.columns)


def test_pretty_printed_json_is_json() -> None:
    text = json.dumps(json.loads(body([{"metric": {"a": "x"}, "values": [[0, "1"], [15, "+Inf"]]}])), indent=2).encode()
    assert decode(text, QUESTION, "test").value.tolist() == [1, math.inf]


def test_times_are_exact_to_the_millisecond() -> None:
    stamps = [1769860800.001, 1769860800.122, 1769860800.999, 4102444799.999]
    found = decode(body([{"metric": {}, "values": [[t, "0"] for t in stamps]}]), QUESTION, "test")
    assert found.time.astype(np.int64).tolist() == [1769860800001, 1769860800122, 1769860800999, 4102444799999]
    assert found.time.dtype == np.dtype("datetime64[ms]")


def test_series_are_sorted_whatever_the_server_says() -> None:
    series = [{"metric": {"b": b, "a": a}, "values": [[0, b]]} for a, b in [("y", "1"), ("x", "2"), ("x", "1")]]
    one, other = (decode(body(s), QUESTION, "test") for s in (series, series[::-1]))
    assert one.labels.to_dict("list") == {"a": ["x", "x", "y"], "b": ["1", "2", "1"]}
    assert one.labels.equals(other.labels)
    assert one.value.tolist() == other.value.tolist() == [1, 2, 1]


def test_taken_names_are_renamed_in_the_tidy_frame() -> None:
    found = decode(body([{"metric": {"time": "t", "value": "v"}, "values": [[0, "1"]]}]), QUESTION, "test")
    assert found.labels.loc[0].to_dict() == {"time": "t", "value": "v"}
    assert list(found.tidy().columns) == ["exported_time", "exported_value", "time", "value"]


def test_an_empty_answer_is_an_empty_set() -> None:
    for kind in ("matrix", "vector"):
        found = decode(body([], kind), QUESTION, "test")
        assert (len(found), len(found.sid)) == (0, 0)
        assert found.query.result_type == kind
        assert len(found.tidy()) == 0


def test_vectors_and_scalars() -> None:
    vector = [{"metric": {"a": "y"}, "value": [1.5, "NaN"]}, {"metric": {"a": "x"}, "value": [1.5, "-Inf"]}]
    found = decode(body(vector, "vector"), Query("m", "test"), "test")
    assert found.labels["a"].tolist() == ["x", "y"]
    assert same(found.value.tolist(), [-math.inf, math.nan])
    assert found.time.astype(np.int64).tolist() == [1500, 1500]
    scalar = decode(body([2, "+Inf"], "scalar"), Query("m", "test"), "test")
    assert (len(scalar), list(scalar.labels.columns), scalar.value.tolist()) == (1, [], [math.inf])


def test_a_string_is_no_telemetry() -> None:
    with pytest.raises(BadQuery, match="is a string; ask for a vector"):
        decode(body([0, "text"], "string"), QUESTION, "test")


def test_warnings_and_infos_are_kept() -> None:
    answer = body([{"metric": {}, "values": [[0, "1"]]}], warnings=["store-2 is down"], infos=["no counter"])
    query = decode(answer, QUESTION, "test").query
    assert (query.warnings, query.infos) == (("store-2 is down",), ("no counter",))
    assert (query.points_expected, query.points_got) == (5, 1)
    assert query.complete


def test_native_histograms_are_said() -> None:
    only = {"metric": {"__name__": "h", "a": "x"}, "histograms": [HISTOGRAM]}
    mixed = {"metric": {"__name__": "h", "a": "y"}, "values": [[0, "1"]], "histograms": [HISTOGRAM]}
    found = decode(body([only, mixed]), QUESTION, "test")
    assert found.labels["a"].tolist() == ["x", "y"]
    assert found.sid.tolist() == [1]
    assert found.query.failed == ("the native histograms of h{a='x'} were not read",)
    assert found.query.warnings == ("the native histograms of h{a='y'} were not read",)
    assert not found.query.complete
    instant = decode(body([{"metric": {}, "histogram": HISTOGRAM}], "vector"), Query("h", "test"), "test")
    assert not instant.query.complete
    many = [{"metric": {"a": str(i)}, "histograms": [HISTOGRAM]} for i in range(50)]
    query = decode(body(many), QUESTION, "test").query
    assert query.failed[-1] == "nor those of 45 more series"
    assert only_histograms_lack(query)
    assert not only_histograms_lack(replace(query, failed=(*query.failed, "10:00 to 11:00 (timed out)")))
    assert not only_histograms_lack(replace(query, failed=()))


WHOLE = body([{"metric": {"a": "x"}, "values": [[0, "1"], [15, "2"]]}])


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_a_cut_off_answer_is_refused(length: int) -> None:
    with pytest.raises(Refused, match="did not answer as Prometheus does: it sent"):
        decode(WHOLE[:length], QUESTION, "test")


@pytest.mark.parametrize(
    "text",
    [
        b"<html><body>Grafana</body></html>",
        b'{"message":"Unauthorized"}',
        b"null",
        b"[]",
        b'{"status":"success"}',
        b'{"status":"success","data":[]}',
        b'{"status":"maybe","data":{"resultType":"matrix","result":[]}}',
        b"\xff\xfe",
        b"[" * 100_000,
        body([{"metric": {"a": 1}, "values": []}]),
        body([{"metric": {}, "values": [[0, "x"]]}]),
        body([{"metric": {}, "values": [[0, ""]]}]),
        body([{"metric": {}, "values": [["0", "1"]]}]),
        body([{"metric": {}, "values": [[None, "1"]]}]),
        body([{"metric": {}, "values": [[0, "1", "2", 3]]}]),
        body([{"metric": {}, "values": [[0, "1,2"]]}]),
        body([{"metric": {}, "values": [[0, '1"2']]}]),
        body([{"metric": {}, "values": [[1e300, "1"]]}]),
        body([{"metric": {}, "values": {"a": "b"}}]),
        body({"a": 1}),
        body([], "streams"),
        body(5, "scalar"),
    ],
)
def test_what_is_no_answer_of_prometheus_is_refused(text: bytes) -> None:
    with pytest.raises(Refused, match=r"^test (did not answer as Prometheus does|answered with data that cannot)"):
        decode(text, QUESTION, "test")


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        ("bad_data", 'parse error: unexpected identifier "limitk"', BadQuery),
        ("bad_data", "the query time range exceeds the limit", Refused),
        ("execution", "many-to-many matching not allowed", BadQuery),
        ("execution", "query processing would load too many samples into memory", Refused),
        ("422", "cannot parse", BadQuery),
        ("timeout", "query timed out in expression evaluation", Refused),
        ("internal", "disk on fire", Refused),
    ],
)
def test_errors_of_the_server_have_types(kind: str, text: str, error: type[EngineError]) -> None:
    answer = json.dumps({"status": "error", "errorType": kind, "error": text}).encode()
    with pytest.raises(error) as caught:
        decode(answer, QUESTION, "test")
    assert f"test refused the query ({kind}): {text}" in str(caught.value)


def test_hostile_text_of_a_server_stays_in_its_line() -> None:
    answer = json.dumps({"status": "error", "errorType": "bad_data", "error": "a\n\x1b[31mb"}).encode()
    with pytest.raises(BadQuery) as caught:
        decode(answer, QUESTION, "test")
    assert str(caught.value).isprintable()


def test_the_series_endpoint() -> None:
    answer = json.dumps({"status": "success", "data": [{"a": "y"}, {"a": "x", "b": "z"}], "warnings": ["w"]}).encode()
    found = read_series(answer, QUESTION, "test")
    assert found.labels.to_dict("list") == {"a": ["x", "y"], "b": ["z", ""]}
    assert (len(found.sid), found.query.result_type, found.query.warnings) == (0, "series", ("w",))
    with pytest.raises(Refused):
        read_series(WHOLE, QUESTION, "test")


def test_absent_labels_are_empty_text() -> None:
    table, order = label_table([{"a": "x"}, {}])
    assert table["a"].tolist() == ["", "x"]
    assert order == [1, 0]
    assert str(table["a"].dtype) == "str"
