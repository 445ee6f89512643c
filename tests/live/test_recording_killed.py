"""`meshlab record` against a real Prometheus, killed at random moments."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from real_prometheus import openmetrics, serving
from stored import read_folder

from meshlab.errors import RecordingError
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.writer import checksum

pytestmark = pytest.mark.live

START, EVERY, COUNT = 1_769_860_800, 30, 2_880
KILLS = 20
SELECTORS = (
    "requests_total",
    '{__name__=~"requests_total|seconds_sum"}',
    'seconds_sum{pod=~"pod-1.*"}',
    "nothing",
    "up",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, prometheus_binary: str, promtool_binary: str) -> Iterator[str]:
    rng = np.random.default_rng(0)
    series = []
    for i in range(40):
        at = START + np.round(rng.uniform(0, EVERY), 3) + EVERY * np.arange(COUNT)
        for name in ("requests_total", "seconds_sum"):
            value = np.cumsum(rng.exponential(20, COUNT)).round(3)
            series.append(({"__name__": name, "pod": f"pod-{i}", "zone": "abc"[i % 3]}, at, value))
    series.append(({"__name__": "up", "job": "mesh"}, at, np.ones(COUNT)))
    text = openmetrics(series)
    folder = tmp_path_factory.mktemp("prometheus")
    with serving(folder, text, prometheus=prometheus_binary, promtool=promtool_binary) as address:
        yield address


def start(url: str, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "meshlab", "record", "--source", url, "-o", str(out)]
    command += ["--start", str(START), "--end", str(START + EVERY * COUNT)]
    command += [part for selector in SELECTORS for part in ("--selector", selector)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    said, complained = process.communicate(timeout=120)
    assert (process.returncode, complained) == (0, "")
    return said


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)


def sums(out: Path) -> dict[str, str]:
    return {name: checksum(out / name) for name in ("samples.parquet", "series.parquet")}


def test_wherever_it_is_killed_the_same_command_ends_with_the_same_files(url: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    process = start(url, whole)
    wait_for(tmp_path / "whole.partial", process)
    begin = time.monotonic()
    said = finish(process)
    worked_s = time.monotonic() - begin
    wanted = sums(whole)
    assert wanted["samples.parquet"] in said
    assert read_manifest(whole)["series"] == 81
    assert len(read_folder(whole).series.sid) == 81 * COUNT, "nothing twice, nothing lost"

    rng = np.random.default_rng(1)
    killed_at_work = 0
    for number, moment in enumerate(rng.uniform(0, worked_s, KILLS)):
        out = tmp_path / f"killed-{number}"
        work = out.with_name(f"{out.name}.partial")
        process = start(url, out)
        wait_for(work, process)
        time.sleep(moment)
        process.kill()
        process.communicate()
        killed_at_work += work.exists()
        if out.exists():
            assert sums(out) == wanted, "what stands in its place is whole"
        else:
            with pytest.raises(RecordingError, match="there is no recording at"):
                read_folder(out)
        if work.exists():
            with pytest.raises(RecordingError, match="is an unfinished recording; run its command again"):
                read_folder(work)
        said = finish(start(url, out))
        assert sums(out) == wanted
        assert wanted["samples.parquet"] in said
        stands = {path.name for path in tmp_path.iterdir()}
        assert stands == {"whole", *(f"killed-{n}" for n in range(number + 1))}, "nothing else stays"
    assert killed_at_work >= KILLS // 2, "most of them were killed in the middle of it"


def test_who_stops_it_is_told_how_it_goes_on(url: str, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    work = tmp_path / "shop.partial"
    process = start(url, out)
    while not list(work.glob("0*.json")) and process.poll() is None:
        time.sleep(0.002)
    process.terminate()
    said, complained = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert complained.splitlines()[0] == f"meshlab: kept in {work} what is there: run the same command again to resume"
    assert "Traceback" not in complained
    again = finish(start(url, out))
    assert "resumed the recording begun at " in again
    assert len(read_folder(out).series) == 81
    assert not work.exists()
