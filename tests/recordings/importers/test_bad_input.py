"""One sentence and nothing half written, whatever is given."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
from pathlib import Path

import pandas as pd
import pytest

import meshlab
from meshlab.errors import ParameterError
from meshlab.recordings import assembly
from meshlab.recordings.engine import Recording
from meshlab.recordings.importers import file as imported_file
from meshlab.recordings.importers.exposition import series_labels

T = 1_795_440_000
MATRIX = json.dumps({"data": {"result": [{"metric": {"__name__": "up"}, "values": [[T, "1"], [T + 1, "2"]]}]}})
VICTORIA = '{"metric":{"__name__":"up"},"values":[1,2],"timestamps":[1795440000000,1795440001000]}'


def parquet() -> bytes:
    sink = io.BytesIO()
    pd.DataFrame({"time": [T, T + 1], "value": [1.0, 2.0]}).to_parquet(sink)
    return sink.getvalue()


CASES: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "is empty"),
    "white": (" \n\n", "is empty"),
    "prose": ("Dear reader,\nthis is a letter.\n", "no format"),
    "page": ("<!DOCTYPE html>\n<html></html>\n", "no format"),
    "binary": (os.urandom(64) + b"\x00\xff", "no format"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00", "no format"),
    "cut gzip": (gzip.compress(b"up 1 1795440000000\n" * 100)[:-9], "cut off"),
    "cut JSON": (MATRIX[:-20], "cut off"),
    "cut export": (VICTORIA + "\n" + VICTORIA[:-20], "cut off"),
    "cut line": ("up 1 1795440000000\nup 1 17954400", "cut off"),
    "cut OpenMetrics": ("# TYPE a unknown\na 1 1795440000.5\n", "OpenMetrics"),
    "cut quote": ('time,job,value\n1795440000,a,1\n1795440015,"b', "cut off"),
    "cut row": ("time,job,value\n1795440000,a,1\n1795440015,b", "2 cells where its header has 3"),
    "cut parquet": (parquet()[:-30], "not a whole Parquet"),
    "after the end": ("a 1 1795440000\n# EOF\na 2 1795440001\n", "# EOF"),
    "wrong line": ("up 1 1795440000000\nup one 1795440000000\n", "line 2"),
    "wrong label": ('up{a="1",a="2"} 1 1795440000000\n', "twice"),
    "no text": (b'up{a="\xff"} 1 1795440000000\n', "no format"),
    "later no text": (b'up 1 1795440000000\nup{a="\xff"} 1 1795440000000\n', "no format"),
    "no times": ("up 1\n", "--at"),
    "no time column": ("service,value\na,1\nb,2\n", "no column for the time"),
    "two columns of a name": (f"time,job,job,value\n{T},a,b,1\n", "two columns"),
    "no zone": ("time,value\n2026-11-23 13:20:00,1\n", "time zone"),
    "some zones": ("time,value\n2026-11-23T13:20:00,1\n2026-11-23T13:20:00Z,1\n", "mixes"),
    "no time": ("time,value\nyesterday,1\n", "cannot be read"),
    "empty time": ("time,value\n2026-11-23T13:20:00Z,1\n,1\n", "without a time"),
    "no number": (f"time,value\n{T},1.5 K\n", "no number"),
    "thousands": (f'time,up\n{T},"1,500"\n', "no number"),
    "1970": ("up 1 1795440000\n", "1970"),
    "1970 in JSON": (MATRIX.replace(str(T), "12"), "1970"),
    "3000": ("time,value\n3000-01-01T00:00:00Z,1\n", "3000"),
    "beyond": ("up 1 99999999999999999999\n", "beyond"),
    "beyond in JSON": (MATRIX.replace(str(T), "1e300"), "beyond"),
    "numbers of no time": ("time,value\n1,1\n2,1\n", "2001"),
    "two values": ("up 1 1795440000000\nup 2 1795440000000\n", "two values"),
    "error": ('{"status":"error","errorType":"execution","error":"query timed out"}', "query timed out"),
    "other JSON": ('{"dashboard":{"panels":[]}}', "without series"),
    "a list of numbers": ("[1,2]", "no format"),
    "a list of lists": ('[{"a":1}]', "without samples"),
    "deep": ("[{" + '"a":[' * 5000, "JSON"),
    "labels only": ('{"status":"success","data":[{"__name__":"up"}]}', "without samples"),
    "nothing found": ('{"status":"success","data":{"resultType":"matrix","result":[]}}', "no sample"),
    "a string": ('{"status":"success","data":{"resultType":"string","result":[1795440000,"a"]}}', "string"),
    "histograms": ('[{"metric":{"__name__":"h"},"histograms":[[1795440000,{"count":"1"}]]}]', "native histograms"),
    "no value": (MATRIX.replace('"1"', '"one"'), "the value 'one'"),
    "no name": (MATRIX.replace('"__name__": "up"', ""), "--metric"),
    "comments": ("# TYPE up gauge\n# HELP up Up.\n", "no sample"),
    "header": ("time,value\n", "no sample"),
    "legend": (f"time,p 99\n{T},1\n", "--metric"),
    "hostile name": (f'time,"\x1b[31m{{\u202e=""x"",}} "\n{T},1\n', "--metric"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, expected = CASES[name]
    (tmp_path / "file").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ParameterError) as raised:
        meshlab.import_file(tmp_path / "file", tmp_path / "out")
    said = str(raised.value)
    assert expected in said
    assert said.isprintable()
    assert len(said) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing half written"


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("up 1 1795440000000\n")
    for path, expected in {
        tmp_path / "none": "there is no file",
        tmp_path / "pipe": "a pipe or a device",
        Path("/dev/zero"): "a pipe or a device",
        tmp_path / "folder": "without TSDB blocks",
        tmp_path / "a\x00b": "cannot be read",
        tmp_path / ("a" * 300): "cannot be read",
    }.items():
        with pytest.raises(ParameterError, match=expected):
            meshlab.import_file(path, tmp_path / "out")
    with pytest.raises(ParameterError, match="no files"):
        meshlab.import_file([], tmp_path / "out")
    with pytest.raises(ParameterError, match="apart"):
        meshlab.import_file([tmp_path / "file", tmp_path / "folder"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("up 1 1795440000000\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(ParameterError, match="not a recording"):
        meshlab.import_file(tmp_path / "file", tmp_path / "out")
    meshlab.import_file(tmp_path / "file", tmp_path / "other")
    (tmp_path / "file").write_text("nonsense\n")
    before = (tmp_path / "other" / "manifest.json").read_bytes()
    with pytest.raises(ParameterError):
        meshlab.import_file(tmp_path / "file", tmp_path / "other")
    assert (tmp_path / "other" / "manifest.json").read_bytes() == before
    with pytest.raises(ParameterError, match="a recording already"):
        meshlab.import_file(tmp_path / "other", tmp_path / "third")


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({"at": "-1h"}, "when it was made"),
        ({"at": "now"}, "when it was made"),
        ({"at": ["2026-11-23T13:20:00Z"] * 2}, "1 files and 2 times"),
        ({"at": "2026-11-23T13:20:00"}, "time zone"),
        ({"columns": {"tme": "a"}}, "did you mean"),
        ({"columns": {"time": "t"}}, "means nothing"),
        ({"timezone": "Mars/Olympus"}, "not a time zone"),
        ({"timezone": "UTC"}, "means nothing"),
    ],
)
def test_hints_that_mean_nothing_are_refused(tmp_path: Path, hints: dict[str, object], expected: str) -> None:
    (tmp_path / "file").write_text("up 1 1795440000000\n")
    with pytest.raises(ParameterError, match=expected):
        meshlab.import_file(tmp_path / "file", tmp_path / "out", **hints)  # type: ignore[arg-type]


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(f"time,job,value\n{T},a,1\n")
    with pytest.raises(ParameterError, match=r"no column 'when'.*'job'"):
        meshlab.import_file(tmp_path / "file", tmp_path / "out", columns={"time": "when"})


def test_an_hour_that_was_shown_twice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("time,value\n2026-10-25 02:30:00,1\n")
    with pytest.raises(ParameterError, match="twice or never"):
        meshlab.import_file(tmp_path / "file", tmp_path / "out", timezone="Europe/Berlin", metric="up")


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f'up{{n="{n}"}} 1 1795440000000\n' for n in range(100))
    (tmp_path / "file").write_bytes(gzip.compress(lines.encode()))
    for module, name, most in (
        (assembly, "MAX_SAMPLES", 99),
        (assembly, "MAX_SERIES", 99),
        (assembly, "_MOST_LABELS", 150),
        (imported_file, "_LONGEST", 500),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, most)
            with pytest.raises(ParameterError, match=f"more than {most:,}|longer than {most:,}"):
                meshlab.import_file(tmp_path / "file", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    meshlab.import_file(tmp_path / "file", tmp_path / "out")


def test_hostile_names_are_kept_and_harm_nobody(tmp_path: Path) -> None:
    name, value = "=cmd|' /C calc'!A0", "\x1b[31m<script>\u202e"
    (tmp_path / "file").write_text(json.dumps([{"metric": {"__name__": "up", name: value}, "values": [[T, "1"]]}]))
    out = meshlab.import_file(tmp_path / "file", tmp_path / "out")
    assert Recording.open(out).query("up").labels[name].tolist() == [value]


@pytest.mark.parametrize(
    "text", ["up" + '{a="' * 20_000, "up{" + 'a="b",' * 20_000, '{"' + "\\" * 60_000, "up{" * 9_000]
)
def test_no_text_takes_long_to_be_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no"):
        series_labels(text)


def test_frames_that_are_none() -> None:
    good = pd.DataFrame({"time": [T], "value": [1.0]})
    for frame, expected in (
        (good.rename(columns={"time": "when"}), "no column 'time'"),
        (good.rename(columns={"value": "v"}), "no column 'value'"),
        (good.assign(time=pd.to_datetime([T], unit="s")), "time zone"),
        (good.assign(time=[5]), "2001"),
        (good.assign(value=["x"]), "not numeric"),
        (good, "--metric|without a name"),
        (pd.concat([good, good.assign(value=2.0)]), "two values"),
    ):
        with pytest.raises(ParameterError, match=expected):
            Recording.from_frame(frame, metric="__name__" if "name" in expected else "up")


WHOLE = (
    b'# TYPE up gauge\nup{job="a",pod="x"} 1 1795440000000\nup{job="b"} 0 1795440000000\n',
    b'# TYPE a counter\na_total{x="1"} 5.0 1795440000.123 # {trace_id="abc"} 0.67\n# EOF\n',
    MATRIX.encode(),
    (VICTORIA + "\n" + VICTORIA.replace("179544", "179545") + "\n").encode(),
    b"time,__name__,job,value\n2026-11-23T13:20:00Z,up,a,1\n2026-11-23T13:20:15Z,up,a,2\n",
    b'Time,"{job=""a""}",up\n1795440000000,1,\n1795440015000,,2\n',
    parquet(),
)
PARTS = (
    *(bytes([byte]) for byte in b'"{},\n\x00\\\xff[]:0 -#'),
    b"1e400",
    b"NaN",
    b"# EOF\n",
    b"\xef\xbb\xbf",
    b"9" * 25,
)


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_of_any_kind(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    file, out = tmp_path / "file", tmp_path / "out"
    for _ in range(60):
        body = bytearray(chance.choice(WHOLE))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            kind = chance.randrange(4)
            if kind == 0:
                body[at:at] = chance.choice(PARTS)
            elif kind == 1:
                del body[at : at + chance.randint(1, 30)]
                body = body or bytearray(b"x")
            elif kind == 2:
                body[at] = chance.randrange(256)
            else:
                body = body[:at] or bytearray(b"x")
        file.write_bytes(bytes(body))
        said = ""
        try:
            meshlab.import_file(file, out, metric="m", at="2026-11-23T13:20:00Z" if chance.random() < 0.5 else ())
        except ParameterError as error:
            said = str(error)
        assert said.isprintable()
        if not said:
            Recording.open(out)
        assert {path.name for path in tmp_path.iterdir()} <= {"file", "out"}
