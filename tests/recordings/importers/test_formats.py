"""Each format: its names, milliseconds and edges, and told by its content alone."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored import read_folder

import meshlab
from meshlab.recordings.engine import Recording
from meshlab.recordings.manifest import read_manifest

T = 1_795_440_000
"""2026-11-23T13:20:00Z"""
Found = dict[str, list[tuple[int, float]]]


def imported(tmp_path: Path, *texts: str | bytes, **hints: object) -> Found:
    """Import files whose names say nothing; the samples by series."""
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"file-{number}")
        files[-1].write_bytes(text.encode() if isinstance(text, str) else text)
    out = meshlab.import_file(files, tmp_path / "out", **hints)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(f.name for f in files), "out"])
    return samples(out)


def samples(out: Path) -> Found:
    found = read_folder(out).series
    names = [",".join(f"{k}={v}" for k, v in sorted(row.items()) if v) for row in found.labels.to_dict("records")]
    result: Found = {name: [] for name in names}
    for sid, time, value in zip(found.sid, found.time.astype(np.int64), found.value, strict=True):
        result[names[sid]].append((int(time), float(value)))
    return result


TEXT = """# HELP requests_total Of all.
# TYPE requests_total counter
requests_total{code="200",path="a\\"b\\\\c\\nd, {e}"} 1027 1795440000001
requests_total{code="500",path=""} 3 1795440000001
# TYPE errors counter
errors 1e3 1795440000000
latency_bucket{le="+Inf",} +Inf 1795440000000
odd NaN 1795440000000
"""


def test_prometheus_text_keeps_names_and_milliseconds(tmp_path: Path) -> None:
    found = imported(tmp_path, TEXT)
    assert found.pop("__name__=odd")[0][0] == T * 1000
    assert found == {
        '__name__=requests_total,code=200,path=a"b\\c\nd, {e}': [(T * 1000 + 1, 1027)],
        "__name__=requests_total,code=500": [(T * 1000 + 1, 3)],
        "__name__=errors": [(T * 1000, 1000)],
        "__name__=latency_bucket,le=+Inf": [(T * 1000, math.inf)],
    }


def test_openmetrics_has_seconds_and_exemplars(tmp_path: Path) -> None:
    text = (
        "# TYPE a counter\n"
        'a_total{x="1"} 5.0 1795440000.123 # {trace_id="abc"} 0.67 1795439999.1\n'
        'a_total{x="1"} 6.0 1795440015.124\n'
        "a_created 1.0 1795440000\n"
        "# EOF\n"
    )
    assert imported(tmp_path, text) == {
        "__name__=a_total,x=1": [(T * 1000 + 123, 5), (T * 1000 + 15_124, 6)],
        "__name__=a_created": [(T * 1000, 1)],
    }


def test_names_in_quotes_and_dumps_of_promtool(tmp_path: Path) -> None:
    text = '{"http.requests", "a.b"="c"} 1 1795440000000\n{__name__="up", job="x"} 1 1795440000000\n'
    assert set(imported(tmp_path, text)) == {"__name__=http.requests,a.b=c", "__name__=up,job=x"}


def test_scrapes_without_times_get_the_time_that_is_given(tmp_path: Path) -> None:
    found = imported(tmp_path, "up 1\n", "up 0\n", at=["2026-11-23T13:20:00Z", "2026-11-23T14:20:00.007+01:00"])
    assert found == {"__name__=up": [(T * 1000, 1), (T * 1000 + 7, 0)]}
    assert imported(tmp_path, "up 1\n", "down 0\n", at=T) == {
        "__name__=up": [(T * 1000, 1)],
        "__name__=down": [(T * 1000, 0)],
    }


SERIES = [
    {"metric": {"__name__": "up", "job": "b"}, "values": [[T + 15.5, "2"], [T + 0.001, "1"]]},
    {"metric": {"__name__": "up", "job": "a", "empty": ""}, "values": [[T, "+Inf"], [T + 1, "NaN"]]},
]


@pytest.mark.parametrize("pretty", [None, 2])
@pytest.mark.parametrize(
    "around",
    [
        SERIES,
        {"result": SERIES},
        {"resultType": "matrix", "result": SERIES},
        {"status": "success", "data": {"resultType": "matrix", "result": SERIES}, "warnings": ["slow"]},
    ],
)
def test_prometheus_json_with_or_without_its_envelope(tmp_path: Path, around: object, pretty: int | None) -> None:
    found = imported(tmp_path, json.dumps(around, indent=pretty))
    assert found["__name__=up,job=b"] == [(T * 1000 + 1, 1), (T * 1000 + 15_500, 2)]
    assert found["__name__=up,job=a"][0] == (T * 1000, math.inf)
    assert math.isnan(found["__name__=up,job=a"][1][1])
    assert read_manifest(tmp_path / "out").get("warnings") == (["slow"] if "status" in around else None)


def test_an_instant_answer_and_a_scalar(tmp_path: Path) -> None:
    vector = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [T, "4"]}]}}
    assert imported(tmp_path, json.dumps(vector), metric="total") == {"__name__=total": [(T * 1000, 4)]}
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [T, "4"]}}
    assert imported(tmp_path, json.dumps(scalar), metric="total") == {"__name__=total": [(T * 1000, 4)]}


def test_victoria_metrics_export_in_whatever_spelling(tmp_path: Path) -> None:
    text = (
        '{"metric":{"__name__":"up","job":"a"},"values":[1,+Inf],"timestamps":[1795440000000,1795440015001]}\n'
        '{"timestamps": [1795440030000, 1795440045000], "metric": {"job": "a", "__name__": "up"},'
        ' "values": [3, null]}\n'
    )
    found = imported(tmp_path, text)
    assert found == {"__name__=up,job=a": [(T * 1000, 1), (T * 1000 + 15_001, math.inf), (T * 1000 + 30_000, 3)]}
    manifest = read_manifest(tmp_path / "out")
    assert manifest["ranges"] == "left-open"
    assert len(manifest["warnings"]) == 1, "what was left out is said"


LONG = """time,__name__,job,code,value
2026-11-23T13:20:15.001Z,up,a,,2
2026-11-23T14:20:00+01:00,up,a,,1
2026-11-23T13:20:00Z,up,"b,
c",200,NaN
2026-11-23T13:20:15Z,up,a,200,
"""


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_with_a_row_a_sample(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = LONG.replace('"b,\nc"', '"b\nc"').replace(",", delimiter)
    found = imported(tmp_path, text.encode(encoding))
    assert found.pop("__name__=up,code=200,job=b\nc")[0][0] == T * 1000
    assert found == {"__name__=up,job=a": [(T * 1000, 1), (T * 1000 + 15_001, 2)]}


def test_columns_are_named_where_their_names_say_nothing(tmp_path: Path) -> None:
    text = "when,what,how much,zone\n2026-11-23 14:20:00,up,1,a\n2026-11-23 14:20:15,up,2,a\n"
    columns = {"time": "when", "value": "how much", "metric": "what"}
    found = imported(tmp_path, text, columns=columns, timezone="Europe/Berlin")
    assert found == {"__name__=up,zone=a": [(T * 1000, 1), (T * 1000 + 15_000, 2)]}


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_numbers_of_times_tell_their_unit(tmp_path: Path, unit: int) -> None:
    found = imported(tmp_path, f"time,value\n{T * unit},1\n{(T + 15) * unit},2\n", metric="up")
    assert found == {"__name__=up": [(T * 1000, 1), (T * 1000 + 15_000, 2)]}


def test_csv_with_a_column_a_series(tmp_path: Path) -> None:
    text = (
        'sep=,\nTime,"{code=""200"", job=""a""}","up{job=""a""}",p 99,\n'
        f"{T * 1000},1,,3,9\n{T * 1000 + 15_001},,2,,9\n"
    )
    assert imported(tmp_path, text, metric="requests") == {
        "__name__=requests,code=200,job=a": [(T * 1000, 1)],
        "__name__=up,job=a": [(T * 1000 + 15_001, 2)],
        "__name__=requests,series=p 99": [(T * 1000, 3)],
    }


def test_a_name_alone_heads_a_column(tmp_path: Path) -> None:
    assert imported(tmp_path, f"time,up,down\n{T},1,2\n") == {
        "__name__=up": [(T * 1000, 1)],
        "__name__=down": [(T * 1000, 2)],
    }


def test_a_table_of_more_than_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshlab.recordings.importers.tables._BLOCK", 64)
    monkeypatch.setattr("meshlab.recordings.importers.file._PIECE", 64)
    rows = [f'{T + n},"x\n{n % 3}",{n}' for n in range(500)]
    found = imported(tmp_path, "time,job,value\n" + "\n".join(rows), metric="up")
    assert sum(map(len, found.values())) == 500
    assert found["__name__=up,job=x\n1"][:2] == [((T + 1) * 1000, 1), ((T + 4) * 1000, 4)]


def test_what_query_writes_is_read_again(tmp_path: Path) -> None:
    before = Recording.from_series([({"__name__": "up", "job": "a"}, [T, T + 15.001], [1, math.nan])])
    frame = before.query("up[1m]").tidy()
    frame.to_parquet(tmp_path / "file", index=False)
    meshlab.import_file(tmp_path / "file", tmp_path / "out")
    found = samples(tmp_path / "out")["__name__=up,job=a"]
    assert found[0] == (T * 1000, 1)
    assert found[1][0] == T * 1000 + 15_001
    assert math.isnan(found[1][1])


def test_packed_files(tmp_path: Path) -> None:
    assert imported(tmp_path, gzip.compress(TEXT.encode()))["__name__=errors"] == [(T * 1000, 1000)]


def test_files_of_several_formats_become_one_recording(tmp_path: Path) -> None:
    found = imported(tmp_path, TEXT, json.dumps(SERIES), TEXT)
    assert len(found) == 7, "the same sample twice is taken once"
    manifest = read_manifest(tmp_path / "out")
    assert manifest["window"] == {
        "start": "2026-11-23T13:19:59.999000+00:00",
        "end": "2026-11-23T13:20:15.500000+00:00",
    }, "the first sample belongs to the window"
    assert manifest["engine"] == "Prometheus text and Prometheus JSON"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(json.dumps(SERIES))
    (tmp_path / "b").write_text(json.dumps(SERIES[::-1]))
    one, two = (meshlab.import_file(tmp_path / name, tmp_path / f"{name}-out") for name in "ab")
    for name in ("series.parquet", "samples.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_frame_answers_promql() -> None:
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([T + 15, T, T], unit="s", utc=True),
            "service": pd.Categorical(["a", "a", None]),
            "value": [2, 1, 7],
        }
    )
    recording = Recording.from_frame(frame, metric="requests_total")
    answer = recording.query("requests_total").tidy()
    assert answer["value"].tolist() == [7, 2]
    assert answer["service"].astype(str).tolist() == ["", "a"]
    again = Recording.from_frame(recording.query("requests_total[1m]").tidy())
    assert again.query("sum(requests_total)").value.tolist() == [9]
