"""One question of every service: the same rows whatever judges, and nothing lost or repeated after a kill."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from istio_series import canary as istio_canary
from istio_series import engine, lost
from typer.testing import CliRunner

import meshlab
from meshlab.cli.app import app
from meshlab.errors import ParameterError
from meshlab.questions import canary
from meshlab.reports.run.exits import FailOn, worst_code
from meshlab.reports.sweep import sweep as module
from meshlab.reports.sweep.judging import folder_of
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import sweep
from meshlab.telemetry.mesh import Mesh

ROOT = Path(__file__).parents[2]


class Here(Executor):
    """Judges at once, in this thread; what was judged is written down."""

    def __init__(self, seen: list[str], *, dies_of: str = "") -> None:
        self.seen, self.dies_of, self.broken = seen, dies_of, False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        service = args[0].case.subject.service
        if service == self.dies_of:
            self.broken = True
        if self.broken:
            future.set_exception(BrokenProcessPool("a worker died"))
            return future
        self.seen.append(service)
        future.set_result(fn(*args, **kwargs))
        return future


ARMS = {"baseline": "v1", "canary": "v2"}


def asked(out: Path, question: str = "canary", source: str = "canary-regression", **more: Any) -> module.SweepRun:
    usual = {"executor": executors("threads", 2), "parameters": ARMS}
    return sweep(question, source=source, out=out, cwd=ROOT, **{**usual, **more})


def content(swept: module.SweepRun) -> dict[str, bytes]:
    files = sorted(p for p in swept.folder.rglob("*") if p.is_file())
    return {p.relative_to(swept.folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> module.SweepRun:
    return asked(tmp_path_factory.mktemp("whole"), pages="all")


def test_every_service_has_a_row_and_what_was_judged_a_page(whole: module.SweepRun) -> None:
    mesh = meshlab.connect("canary-regression", cwd=ROOT)
    services = set(mesh.services(mesh.window()).frame["destination_service"])
    table = pd.read_parquet(whole.folder / "results.parquet")
    assert set(table["service"]) == services
    assert table["subject"].is_unique
    assert (table["page"] != "").tolist() == table["verdict"].isin(["PASS", "FAIL"]).tolist()
    for page in table.loc[table["page"] != "", "page"]:
        text = (whole.folder / page).read_text(encoding="utf-8")
        assert "<script" not in text
        assert text.count("<figure") == 4
    assert (whole.folder.parent / "index.html").is_file()


@pytest.mark.parametrize(("name", "given"), [("canary", ARMS), ("scaling", {})])
def test_a_service_is_judged_as_its_own_report_would(name: str, given: dict[str, str]) -> None:
    mesh, question = meshlab.connect("canary-regression", cwd=ROOT), meshlab.question(name)
    one = question.settings(service="catalog", **given)
    alone = question.answer(question.collect(mesh, mesh.window(), one), one)
    settings = question.settings_of_all(**given)
    cases = list(question.cases(question.collect(mesh, mesh.window(), settings), settings))
    case = next(case for case in cases if case.subject is not None and case.subject.service == "catalog")
    swept = question.result(case)
    assert (swept.verdict, swept.headline) == (alone.verdict, alone.headline)
    assert len(cases) > 1


def test_processes_give_what_threads_give(whole: module.SweepRun, tmp_path: Path) -> None:
    assert content(asked(tmp_path, pages="all", executor=executors("processes", 2))) == content(whole)


def test_dask_gives_what_threads_give(whole: module.SweepRun, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
    ) as cluster:
        found = asked(tmp_path, pages="all", executor=executors("processes", 1, cluster.scheduler_address))
    assert content(found) == content(whole)


def stopping(monkeypatch: pytest.MonkeyPatch, after: int) -> list[str]:
    """A stop, as by Ctrl-C, as soon as so many services are written down; returns which these are."""
    kept: list[str] = []
    keep = module.folder.keep

    def once(work: Path, task: Any, done: Any) -> None:
        if len(kept) == after:
            raise KeyboardInterrupt
        keep(work, task, done)
        kept.append(task.case.subject.service)

    monkeypatch.setattr(module.folder, "keep", once)
    return kept


@pytest.mark.parametrize("after", [1, 2])
def test_what_was_stopped_goes_on_and_repeats_nothing(
    whole: module.SweepRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    with monkeypatch.context() as patch:
        first = stopping(patch, after)
        with pytest.raises(KeyboardInterrupt):
            asked(tmp_path, pages="all")
    assert not (tmp_path / whole.folder.name).exists()
    second: list[str] = []
    found = asked(tmp_path, pages="all", executor=lambda: Here(second))
    assert len(first) == found.resumed == after
    assert sorted(first + second) == sorted(r["service"] for r in whole.records)
    assert content(found) == content(whole)
    assert not list(tmp_path.glob(".*"))


def test_another_question_does_not_go_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            asked(tmp_path)
    assert asked(tmp_path, pages="none").resumed == 0


def test_a_kill_in_the_middle_loses_nothing(whole: module.SweepRun, tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from meshlab.reports.sweep import folder, pool, sweep as m\n"
        "keep = folder.keep\n"
        "def once(work, task, done):\n    keep(work, task, done); os.kill(os.getpid(), signal.SIGKILL)\n"
        "folder.keep = once\n"
        f"m.sweep('canary', source='canary-regression', parameters={ARMS!r}, out=Path({str(tmp_path)!r}), pages='all',"
        f" executor=pool.executors('threads', 1), cwd=Path({str(ROOT)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    seen: list[str] = []
    found = asked(tmp_path, pages="all", executor=lambda: Here(seen))
    assert found.resumed == 1
    assert len(seen) == len(found.records) - 1
    assert content(found) == content(whole)


def test_a_worker_that_dies_takes_nobody_along(whole: module.SweepRun, tmp_path: Path) -> None:
    found = asked(tmp_path, executor=lambda: Here([], dies_of="catalog"))
    words = {r["service"]: r["verdict"] for r in found.records}
    assert words.pop("catalog") == "ERROR"
    assert words == {r["service"]: r["verdict"] for r in whole.records if r["service"] != "catalog"}


def test_a_judge_that_fails_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = canary.Canary.judge

    def judge(question: Any, case: Any) -> Any:
        if case.subject.service == "catalog":
            raise ZeroDivisionError("token=\x1b[31m")
        return real(question, case)

    monkeypatch.setattr(canary.Canary, "judge", judge)
    found = asked(tmp_path)
    bad = next(r for r in found.records if r["service"] == "catalog")
    assert bad["verdict"] == "ERROR"
    assert "ZeroDivisionError" in bad["error"]
    assert "\x1b" not in bad["error"]
    assert bad["error"].split(";")[0] in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [row["verdict"] for row in found.records].count("ERROR") == 1


@pytest.mark.parametrize(
    ("recording", "verdict"), [("canary-regression", "FAIL"), ("canary-latency", "FAIL"), ("canary-healthy", "PASS")]
)
def test_the_canary_of_a_recording_is_found_and_judged(tmp_path: Path, recording: str, verdict: str) -> None:
    found = asked(tmp_path, source=recording)
    words = {r["service"]: r["verdict"] for r in found.records}
    assert words.pop("catalog") == verdict
    assert set(words.values()) == {"NOT_MEASURED"}
    page = found.folder / "subjects" / folder_of(next(r["subject"] for r in found.records if r["service"] == "catalog"))
    assert (page / "report.html").is_file() == (verdict != "PASS")


def test_a_storm_is_swept_to_the_hops_that_multiply_it(tmp_path: Path) -> None:
    found = asked(tmp_path, "retries", source="retry-storm", parameters={"namespace": "shop"})
    words = {r["service"]: r["verdict"] for r in found.records}
    assert {service for service, word in words.items() if word == "FAIL"} == {"ledger", "payments", "checkout"}
    assert words["ingress"] == "NOT_MEASURED"
    assert [row["verdict"] for row in found.records].count("PASS") == 4
    row = next(r for r in found.records if r["service"] == "ledger")
    assert row["result"]["subject"] == row["subject"]
    page = (found.folder / "subjects" / folder_of(row["subject"]) / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 3
    assert "metastable" in page


def test_arms_are_found_where_one_was_there_first_and_inconclusive_where_nobody_can_tell() -> None:
    mesh = meshlab.connect("canary-regression", cwd=ROOT)
    question = canary.Canary()
    settings = question.settings()
    evidence = question.collect(mesh, mesh.window(), settings)
    fewer = next(case for case in question.cases(evidence, settings) if case.subject.service == "catalog")
    assert fewer.evidence.facts.arms.names == ("v1", "v2"), "the canary is the one with clearly fewer requests"
    twins = {}
    for name, frame in ((name, frame) for name, frame in evidence.frames.items() if "arm" in frame):
        first = frame[(frame["arm"] == "v1") & (frame["destination_service"] == "catalog")]
        twins[name] = pd.concat([frame[frame["arm"] != "v2"], first.assign(arm="v2", destination_version="v2")])
    alike = dataclasses.replace(evidence, frames={**evidence.frames, **twins})
    both = {case.subject.service: case for case in question.cases(alike, settings)}
    assert both["catalog"].due
    assert "either may be the baseline" in both["catalog"].unjudged
    assert both["ingress"].unjudged
    assert not both["ingress"].due
    frames = {
        name: frame[(frame["arm"] != "v1") | (frame["block"] > 2)] if "block" in frame else frame
        for name, frame in evidence.frames.items()
    }
    later = question.cases(dataclasses.replace(evidence, frames=frames), settings)
    case = next(case for case in later if case.subject.service == "catalog")
    assert case.evidence.facts.arms.names == ("v2", "v1")


def test_parts_are_the_whole() -> None:
    mesh, question = meshlab.connect("canary-regression", cwd=ROOT), meshlab.question("scaling")
    evidence = question.collect(mesh, mesh.window())
    cases = list(question.cases(evidence, question.settings()))
    for name in ("destination", "durations"):
        assert sum(len(case.frame(name)) for case in cases) == len(evidence.frames[name])
    for case in cases:
        assert case.subject is not None
        assert case.subject.mask(case.frame("destination")).all()
    assert not list(question.cases(evidence, question.settings(namespace="nowhere")))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["PASS", "ERROR", "FAIL", "INCONCLUSIVE"], 10),
        (["PASS", "ERROR", "INCONCLUSIVE"], 3),
        (["PASS", "INCONCLUSIVE", "NOT_MEASURED"], 11),
        (["PASS", "WARN", "NOT_MEASURED"], 0),
        (["NOT_MEASURED"], 11),
        ([], 11),
    ],
)
def test_one_exit_code(words: list[str], code: int) -> None:
    assert worst_code(words, FailOn.FAIL) == code


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("nothing", {}),
        ("scaling", {"parameters": {"service": "catalog"}}),
        ("scaling", {"parameters": {"hpa_file": "x.yaml"}}),
        ("scaling", {"parameters": {"blok_s": "1"}}),
        ("canary", {"parameters": {"baseline": "v1"}}),
        ("canary", {"parameters": {"arm_by": "workload"}}),
        ("canary", {"pages": "some"}),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, question: str, more: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        asked(tmp_path / "out", question, **more)


def test_the_command_says_one_line_and_exits_by_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = ["sweep", "canary", "--source", "canary-regression", "-p", "baseline=v1", "-p", "canary=v2"]
    done = CliRunner().invoke(app, [*command, "--executor", "threads", "-o", str(tmp_path)])
    assert done.exit_code == 10
    assert "1 FAIL" in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_requests_of_no_service_are_counted_and_nobody_to_be_judged() -> None:
    outside = {"destination_service_name": "PassthroughCluster"}
    series = [lost("api.example.com", **outside), lost("unknown", source_workload="other"), lost()]
    mesh = Mesh.detect(engine(istio_canary(), series), "a test")
    asked_of_all = canary.Canary().collect(mesh, mesh.window(), canary.CanarySettings())
    subjects = [str(case.subject) for case in canary.Canary().cases(asked_of_all, canary.CanarySettings())]
    assert subjects == ["east/shop/catalog"]
    assert [note.partition(" ")[2] for note in module._nameless(mesh, mesh.window())] == [
        "passthrough requests belong to no service, most to api.example.com",
        "unnamed requests belong to no service",
    ]
