from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_notebooks import SHOW, result, written

from meshlab import errors
from meshlab.cli import answers, app
from meshlab.core.results import Verdict
from meshlab.core.series import Query, SeriesSet
from meshlab.reports.run import exits
from meshlab.reports.run.runner import Outcome

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command line in this process, in an empty folder: code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meshlab", *arguments])
        code = 0
        try:
            app.main()
        except SystemExit as e:
            code = int(e.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("verdict", "warn", "fail", "never"),
    [("PASS", 0, 0, 0), ("WARN", 10, 0, 0), ("FAIL", 10, 10, 0), ("INCONCLUSIVE", 11, 11, 11)],
)
def test_exit_codes(verdict: str, warn: int, fail: int, never: int) -> None:
    for fail_on, expected in zip(exits.FailOn, (warn, fail, never), strict=True):
        assert exits.exit_code(verdict, fail_on) == expected
        assert exits.exit_code(verdict, fail_on, inconclusive_ok=True) == (0 if expected == 11 else expected)


def test_a_report_from_another_process_is_one_line(tmp_path: Path) -> None:
    written(tmp_path, SHOW)
    command = [sys.executable, "-W", "error", "-m", "meshlab", "report", "./tiny.ipynb", "-p", "canary=1.10"]
    done = subprocess.run(
        [*command, "--source", "http://x.example:9090/p"], cwd=tmp_path, capture_output=True, text=True
    )
    page = "out/tiny/x.example-9090/report.html"
    line = f"FAIL  http://x.example:9090/p  1.10 http://x.example:9090/p -> {page}\n"
    assert (done.returncode, done.stdout, done.stderr) == (10, line, "")
    assert (tmp_path / page).is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_report_says_nothing_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    written(
        tmp_path, "import os, pathlib, time\npathlib.Path('kernel').write_text(str(os.getpid()))\ntime.sleep(60)", SHOW
    )
    command = [sys.executable, "-m", "meshlab", "report", "./tiny.ipynb"]
    pipe = subprocess.PIPE
    # A shell's background job is started with SIGINT ignored, and tests may run in one.
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, preexec_fn=heeds) as running:
        kernel = _when_written(tmp_path / "kernel")
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kernel", "tiny.ipynb"]
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def _when_written(path: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.is_file() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    pytest.fail("the kernel did not get to its first cell")


def test_a_reader_that_goes_away_changes_no_exit_code(tmp_path: Path) -> None:
    code = "import sys; from meshlab.cli.output import say\nsys.stdin.read(); say('x' * 1_000_000); sys.exit(10)"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        running.stdin.close()
        assert running.stderr.read() == ""
    assert running.returncode == 10


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """A runner that writes down what it was asked."""
    seen: list[dict[str, object]] = []

    def run(notebook: str, **given: object) -> Outcome:
        seen.append({"notebook": notebook, **given})
        summary = result("odd \x1b[31m\ntext", Verdict.INCONCLUSIVE).to_dict()
        out = Path(str(given["out"]))
        page = out / "report.html"
        return Outcome(verdict=Verdict.INCONCLUSIVE, result=summary, folder=out, page=page, seconds=1.0)

    monkeypatch.setattr("meshlab.reports.run.runner.run", run)
    return seen


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        ((), "out/tiny/default"),
        (("--source", "prod"), "out/tiny/prod"),
        (("--source", "./data/x y/"), "out/tiny/x-y"),
        (("-p", "source=../.."), "out/tiny/default"),
        (("--source", "https://me:secret@host:1/x"), "out/tiny/host-1"),
        (("--source", "x", "-o", "here"), "here"),
    ],
)
def test_where_a_report_goes(call: Call, asked: list[dict[str, object]], arguments: tuple[str, ...], out: str) -> None:
    code, shown, err = call("report", "tiny", *arguments)
    assert (code, err) == (11, "")
    assert asked[0]["out"] == Path(out)
    assert shown.count("\n") == 1
    assert shown.endswith(f"  odd  [31m text -> {out}/report.html\n")


def test_parameters_are_passed_as_they_were_typed(call: Call, asked: list[dict[str, object]]) -> None:
    call("report", "tiny", "--source", "s", "-p", "a=1.10", "-p", "b= x=y\n", "-p", "c=", "--timeout", "5")
    assert asked[0]["parameters"] == {"source": "s", "a": "1.10", "b": " x=y\n", "c": ""}
    assert asked[0]["timeout_s"] == 5.0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("report", "nope"), 2, "meshlab: there is no notebook called 'nope'"),
        (("report", "x", "-p", "a"), 2, "meshlab: -p 'a' is not of the form name=value"),
        (("report", "x", "-p", "a=1", "-p", "a=2"), 2, "meshlab: parameter a is given twice"),
        (("report", "x", "-p", "source=a", "--source", "b"), 2, "meshlab: source is given twice"),
        (("report", "x", "--since", "-1h"), 2, "meshlab: --since is given without --watch"),
        (("report", "x", "--watch", "60s"), 2, "meshlab: --watch needs a live server"),
        (("report", "x", "--watch", "60s", "--source", "canary-healthy"), 2, "meshlab: canary-healthy is a recording"),
        (("report", "x", "--watch", "60s", "-p", "end=now"), 2, "meshlab: end cannot be combined"),
        (("query", "up", "--source", "nope"), 2, "meshlab: source 'nope' is neither a profile nor a recording"),
        (("query", "up", "--source", "x", "--at", "now", "--start", "-1h"), 2, "meshlab: --at and a window"),
        (("query", "up", "--source", "x", "--end", "now"), 2, "meshlab: --end or --step is given without --start"),
        (("query", "up", "--source", "http://127.0.0.1:9"), 3, "meshlab: "),
        (("record", "--source", "x", "--start", "-1h", "-o", "."), 2, "meshlab: . exists and is not a recording"),
    ],
)
def test_errors_are_one_line_without_traceback(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "mine").write_text("precious")
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments", [("report",), ("report", "x", "--nope"), ("nope",), ("report", "x", "--fail-on", "x")]
)
def test_usage_errors_are_2(call: Call, arguments: tuple[str, ...]) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (errors.RecordingError("it is\nbroken", "mend it"), 3, "meshlab: it is broken; mend it\n"),
        (errors.ConfigError("wrong"), 2, "meshlab: wrong\n"),
        (OSError(28, "No space left on device"), 3, "meshlab: [Errno 28] No space left on device; check the disk"),
        (ZeroDivisionError("oh"), 3, "meshlab: ZeroDivisionError: oh; this is a bug"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_main_makes_of_an_exception(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, sentence: str
) -> None:
    def fail(_cwd: Path) -> list[object]:
        raise error

    monkeypatch.setattr("meshlab.reports.run.notebooks.available", fail)
    got, out, err = call("notebooks")
    assert (got, out) == (code, "")
    assert err.startswith(sentence)
    assert "Traceback" not in err
    if code != 130:
        assert "Traceback" in call("--debug", "notebooks")[2]


def test_the_small_commands(call: Call) -> None:
    assert call("--version") == (0, "meshlab 0.1.0\n", "")
    code, out, err = call("notebooks")
    assert (code, err) == (0, "")
    assert "canary-verdict  Is the canary good?\n  -p source=canary-regression " in out
    assert "a profile, http(s)://..." in out
    code, out, _ = call("--help")
    assert code == 0
    assert all(f"│ {word} " in out for word in ("report", "notebooks", "query", "record", "schedule", "lab"))


def test_a_missing_extra_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "meshlab.lab.command", raising=False)
    real = import_module

    def missing(name: str) -> object:
        if name == "meshlab.lab.command":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
        return real(name)

    monkeypatch.setattr("meshlab.cli.app.import_module", missing)
    for arguments in (("lab",), ("lab", "run", "x", "--seed", "3")):
        code, out, err = call(*arguments)
        assert (code, out) == (3, "")
        assert err == 'meshlab: the package aiohttp is not installed; try: pip install "meshlab[lab]"\n'
    assert "not installed" in call("--help")[1]


def test_starting_is_cheap() -> None:
    slow = ("pandas", "numpy", "papermill", "matplotlib", "nbformat", "requests", "scipy", "aiohttp")
    code = f"import sys, meshlab.cli.app; print([m for m in {slow!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stdout == "[]\n"


ANSWER = SeriesSet(
    labels=pd.DataFrame({"__name__": ["up", "up"], "pod": ["a\x1b[1m", ""]}),
    sid=np.array([0, 0, 1], np.int32),
    time=np.array(["2026-01-31T12:00:00", "2026-01-31T12:00:15.250", "2026-01-31T12:00:00"], "datetime64[ms]"),
    value=np.array([1.0, np.nan, np.inf]),
    query=Query(promql="up", engine="a test", warnings=("slow",), failed=("one shard",)),
)


def test_a_table_is_aligned_and_harmless() -> None:
    assert answers.table(ANSWER).splitlines() == [
        "__name__  pod    time                      value",
        "up        a [1m  2026-01-31T12:00:00Z          1",
        "up        a [1m  2026-01-31T12:00:15.250Z    nan",
        "up               2026-01-31T12:00:00Z        inf",
    ]
    assert answers.table(SeriesSet.empty(ANSWER.query)) == "nothing matches\n"


def test_json_loses_nothing() -> None:
    document = json.loads(answers.json(ANSWER))
    assert document["series"] == [
        {
            "labels": {"__name__": "up", "pod": "a\x1b[1m"},
            "samples": [[1769860800.0, "1.0"], [1769860815.25, "NaN"]],
        },
        {"labels": {"__name__": "up"}, "samples": [[1769860800.0, "+Inf"]]},
    ]
    assert json.loads(answers.json(SeriesSet.empty(ANSWER.query)))["series"] == []


def test_csv_has_a_line_a_sample() -> None:
    lines = answers.csv(ANSWER).splitlines()
    assert lines[0] == "__name__,pod,time,value"
    assert len(lines) == 4
    assert lines[2].endswith("2026-01-31T12:00:15.250000Z,NaN")


def test_a_query_answers_and_tells_what_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Engine:
        def now(self) -> datetime:
            return datetime(2026, 1, 31, 12, tzinfo=UTC)

        def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
            return ANSWER

        def query_range(self, promql: str, window: object) -> SeriesSet:
            return ANSWER.with_query(Query(promql=promql, engine=str(window)))

    monkeypatch.setattr("meshlab.telemetry.source.open_engine", lambda _: Engine())
    code, out, err = call("query", "up", "--source", "x", "--format", "json")
    assert code == 3
    assert json.loads(out)["failed"] == ["one shard"]
    assert err.splitlines()[0] == "meshlab: warning: slow"
    assert err.splitlines()[1].startswith("meshlab: the query returned a partial result: one shard")
    arguments = ("--start", "-1h", "--step", "1m", "--format", "csv", "-o", "a.csv")
    assert call("query", "up", "--source", "x", *arguments) == (0, "", "")
    assert (tmp_path / "a.csv").read_text() == answers.csv(ANSWER)
    assert call("query", "up", "--source", "x", "--start", "-1h", "--format", "parquet", "-o", "a.parquet") == (
        0,
        "",
        "",
    )
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), ANSWER.tidy(), check_categorical=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.parquet"]
    assert call("query", "up", "--source", "x", "--format", "parquet")[0] == 2
    assert call("query", "up", "--source", "x", "-o", "none/a")[0] == 2


CANARY = Path(__file__).parents[2] / "data" / "canary-healthy"


def test_a_recording_is_told_of_with_the_next_thing_to_type(call: Call) -> None:
    code, out, err = call("record", "--source", str(CANARY), "--start", "-5m", "-o", "shop")
    assert (code, err) == (0, "")
    manifest = json.loads(Path("shop/manifest.json").read_text())
    assert out.splitlines()[0] == "recorded 2026-11-23T13:13:30+00:00 to 2026-11-23T13:18:30+00:00 -> shop"
    assert f"{manifest['series']:,} series, {manifest['samples']:,} samples, " in out
    assert f"SHA-256 of samples.parquet: {manifest['files']['samples.parquet']['sha256']}" in out
    assert any(line.split()[:1] == ["istio_requests_total"] and "series" in line for line in out.splitlines())
    assert "\nservices: catalog, ingress, storefront\n" in out
    assert out.splitlines()[-1] == "next: meshlab report canary-verdict --source ./shop -p service=catalog"
    assert manifest["command"] == f"meshlab record --source {CANARY} --start -5m"
    again, told, _ = call("record", "--source", str(CANARY), "--start", "-5m", "-o", "shop")
    assert (again, told) == (0, out)


def test_redacted_labels_are_told_of_and_their_values_are_not(call: Call) -> None:
    options = ["--selector", 'up{job="envoy"}', "--selector", "istio_requests_total", "--redact", "job"]
    code, out, err = call("record", "--source", str(CANARY), "--start", "-5m", "-o", "out/shop", *options)
    assert (code, err) == (0, "")
    assert "\nredacted: job\n" in out
    assert out.splitlines()[-1].startswith("next: meshlab report canary-verdict --source out/shop -p service=")
    text = Path("out/shop/manifest.json").read_text()
    assert json.loads(text)["redacted"] == ["job"]
    assert 'job=\\"r-' in text
    assert 'envoy\\"' not in text, "the job's name, of which Envoy's metrics have only the beginning"
    assert call("record", "--source", str(CANARY), "--start", "-5m", "-o", "le", "--redact", "le")[0] == 2


def test_an_unfinished_recording_of_another_command_is_named(call: Call) -> None:
    work = Path("shop.partial")
    work.mkdir()
    (work / "journal.json").write_text(json.dumps({"asked": {"source": "x"}, "command": "meshlab record -o shop"}))
    note = {"selector": 0, "start_ms": 0, "end_ms": 60_000, "samples": 0}
    (work / "000-0-60000.json").write_text(json.dumps(note))
    code, out, err = call("record", "--source", str(CANARY), "--start", "-5m", "-o", "shop")
    assert (code, out) == (2, "")
    assert "holds an unfinished recording of another command" in err
    assert "run that one again (meshlab record -o shop), delete that folder, or choose another one" in err
