"""A folder that pandas wrote, as docs/recordings.md describes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored import read_folder

from meshlab.errors import RecordingError
from meshlab.recordings import reader
from meshlab.recordings.engine import Recording

T = 1_795_440_000
SERIES = pd.DataFrame({"sid": [0, 1], "label___name__": ["up", "up"], "label_job": ["a", None]})
SAMPLES = pd.DataFrame(
    {"sid": [0, 0, 1], "time": pd.to_datetime([T, T + 15, T], unit="s", utc=True), "value": [1.0, np.nan, 2.0]}
)


def folder(tmp_path: Path, series: pd.DataFrame, samples: pd.DataFrame, *, index: bool = False) -> Path:
    out = tmp_path / "hand"
    out.mkdir(exist_ok=True)
    files = {}
    for name, frame in (("series.parquet", series), ("samples.parquet", samples)):
        frame.to_parquet(out / name, index=index)
        body = (out / name).read_bytes()
        files[name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    counts = {"series": len(series), "samples": len(samples)}
    (out / "manifest.json").write_text(json.dumps({"format": "meshlab.recording/1", "files": files, **counts}))
    return out


SPELLINGS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "as they are": (lambda s: s, lambda s: s),
    "objects": (lambda s: s.astype({"label_job": object}), lambda s: s),
    "categories": (lambda s: s.astype({"label_job": "category", "label___name__": "category"}), lambda s: s),
    "another order": (lambda s: s[["label_job", "sid", "label___name__"]], lambda s: s[["value", "time", "sid"]]),
    "narrow": (lambda s: s.astype({"sid": np.uint8}), lambda s: s.astype({"sid": np.int16, "value": np.float32})),
    "milliseconds": (lambda s: s, lambda s: s.assign(time=[T * 1000, T * 1000 + 15_000, T * 1000])),
    "nanoseconds": (lambda s: s, lambda s: s.assign(time=s["time"].dt.as_unit("ns"))),
    "another zone": (lambda s: s, lambda s: s.assign(time=s["time"].dt.tz_convert("Asia/Tokyo"))),
    "an empty label": (lambda s: s.assign(label_none=None), lambda s: s),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("resident", [reader.RESIDENT, 0])
def test_a_folder_written_by_pandas_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, index: bool, resident: int
) -> None:
    series, samples = SPELLINGS[spelling]
    path = folder(tmp_path, series(SERIES), samples(SAMPLES), index=index)
    found = read_folder(path).series
    assert found.labels["job"].tolist() == ["a", ""]
    assert found.time.astype(np.int64).tolist() == [T * 1000, T * 1000 + 15_000, T * 1000]
    np.testing.assert_array_equal(found.value, [1.0, np.nan, 2.0])
    store, manifest = reader.open_folder(path, resident=resident)
    assert Recording(store, manifest, "hand").query('up{job=""}').value.tolist() == [2.0]


def test_whole_numbers_are_values(tmp_path: Path) -> None:
    path = folder(tmp_path, SERIES, SAMPLES.assign(value=[1, 3, 2]))
    assert read_folder(path).series.value.tolist() == [1.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("series", "samples", "expected"),
    [
        (SERIES, SAMPLES.drop(columns="time"), "none called 'time'"),
        (SERIES, SAMPLES.rename(columns={"sid": "series"}), "none called 'sid'"),
        (SERIES.drop(columns="sid"), SAMPLES, "none called 'sid'"),
        (SERIES.rename(columns={"label_job": "job"}), SAMPLES, "'job'.*label_job"),
        (SERIES.assign(label_job=[1, 2]), SAMPLES, "'label_job' is int64"),
        (SERIES, SAMPLES.assign(time=SAMPLES["time"].dt.tz_localize(None)), "zone UTC"),
        (SERIES, SAMPLES.assign(value=["1", "2", "3"]), "'value' is large_string"),
        (SERIES, SAMPLES.assign(sid=[0, None, 1]), "'sid' is double"),
        (SERIES, SAMPLES.astype({"sid": "Int64"}).assign(sid=pd.array([0, None, 1], "Int64")), "gaps"),
        (SERIES, SAMPLES.assign(sid=[0, 1 << 40, 1]), "cannot be decoded"),
        (SERIES, SAMPLES[::-1], "not sorted"),
        (SERIES.assign(label_job=["a", "a"]), SAMPLES, "the same series twice"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, series: pd.DataFrame, samples: pd.DataFrame, expected: str) -> None:
    with pytest.raises(RecordingError, match=expected):
        Recording.open(folder(tmp_path, series, samples))
