"""One question asked of every service: one collect, a judge a service, in any executor, through kills."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pandas as pd

from meshlab import config
from meshlab.core.files import atomic_folder, write_text
from meshlab.core.progress import report as tell
from meshlab.errors import ParameterError, ReportError
from meshlab.questions.base import question as named
from meshlab.reports.index import NOTES, write_index
from meshlab.reports.run.notebooks import Listed, available
from meshlab.reports.run.parameters import convert
from meshlab.reports.stored import read, read_result, to_json
from meshlab.reports.sweep.judging import ERROR, SCHEMA, Done, Task, failed, folder_of, judged
from meshlab.reports.waivers.entries import waivers
from meshlab.reports.waivers.owners import owners
from meshlab.reports.waivers.waiving import idle, waived

__all__ = ["PAGES", "Swept", "executors", "sweep"]

PAGES: Final = ("failing", "all", "none")
_ITS_OWN: Final = ("source", "start", "end", "step")
_ASKED: Final = "sweep.json"
_TEXTS: Final = (
    *("question", "subject", "cluster", "namespace", "service", "verdict"),
    *("headline", "error", "window", "source", "owner"),
)
_SAID: Final = ("failing", "waived", "without_waivers", "page")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep gave.

    Parameters
    ----------
    records : sequence of mapping
        A row a subject, sorted by subject.
    folder : Path
        Of this run: ``results.parquet``, ``sweep.json`` and ``subjects/``.
    index : Path
        The page over all runs.
    went_on : int
        Subjects that an interrupted run before had finished.
    notes : sequence of str
        What is to be said of waivers that speak of nothing here.
    """

    records: Sequence[Mapping[str, Any]]
    folder: Path
    index: Path
    went_on: int = 0
    notes: Sequence[str] = ()

    def count(self, word: str) -> int:
        """Subjects with a verdict."""
        return sum(record["verdict"] == word for record in self.records)

    @property
    def waived(self) -> int:
        """Findings that are waived."""
        return sum(len(waived(record["result"] or {})) for record in self.records)


def sweep(
    question: str,
    *,
    source: str,
    out: Path,
    executor: Callable[[], Executor],
    parameters: Mapping[str, str] | None = None,
    pages: str = "failing",
    cwd: Path | None = None,
    clock: Callable[[], datetime] | None = None,
    tz: str = "",
) -> Swept:
    """Ask a question of every service that a source knows.

    A run that was killed goes on when the same is asked again: its window stands, and what was finished is not judged
    anew.

    Parameters
    ----------
    question : str
        Of those that are installed (entry points ``meshlab.questions``).
    source : str
        As in `meshlab.connect`.
    out : Path
        The folder of all runs.
    executor : callable
        Makes any `concurrent.futures` executor; made again when its workers died.
    parameters : mapping of str to str, optional
        As typed, of the question's notebook.
    pages : str
        Whose page is written: ``failing`` (what is not PASS), ``all`` or ``none``.
    cwd : Path, optional
        Where profiles, recordings and notebooks are looked for.
    clock : callable, optional
        Says what time it is: which waivers hold.
    tz : str
        The time zone that pages show beside UTC; that of meshlab.toml when not given.

    Raises
    ------
    ConfigError
        meshlab.toml is wrong.
    ParameterError
        No such question, or it cannot be swept; a wrong parameter; a folder that holds other things.
    EngineError
        The source did not answer: nobody was judged.
    """
    from meshlab.telemetry.source import connect

    if pages not in PAGES:
        raise ParameterError(f"pages is {pages!r}", f"write one of {', '.join(PAGES)}")
    here = (cwd or Path.cwd()).resolve()
    asked_of = named(question)
    notebook = _notebook(question, here)
    given = _given(notebook, parameters or {})
    times: dict[str, str] = {name: str(given.pop(name)) for name in _ITS_OWN if name in given}
    settings = asked_of.settings_of_all(**given)
    told = config.load(here)
    known_waivers = waivers(told)
    now = (clock or (lambda: datetime.now(UTC)))()
    asked = {"question": question, "source": source, "pages": pages, "parameters": {**given, **times}}
    if known_waivers:
        # What was finished under other waivers would have another verdict now.
        asked["waivers"] = [
            f"{one}, {one.until}, {one.reason}: {'holds' if one.holds(now) else 'expired'}" for one in known_waivers
        ]
    out = here / out
    work = _begun(out, asked)
    mesh = connect(source, cwd=here)
    if work is None:
        window = mesh.window(**times)
        work = out / f".{question}-{window.end:%Y%m%dT%H%M%SZ}.partial"
    else:
        span = read(work / _ASKED)["window"]
        window = mesh.window(**span)
    tell(0, 0, "asking the mesh")
    cases = list(asked_of.cases(asked_of.collect(mesh, window, settings), settings))
    _begin(work, {"asked": asked, "window": _span(window)})
    whose = owners(told, source, here)
    target = out / work.name.removeprefix(".").removesuffix(".partial")
    before = _run_before(target)
    tasks = [
        Task(
            question=question,
            title=notebook.title or question,
            case=case,
            given=given,
            pages=pages,
            before=_summary(before, case.subject),
            waivers=known_waivers,
            owners=whose,
            tz=tz or told.tz,
            at=now,
        )
        for case in cases
    ]
    known = _records(work)
    left = [task for task in tasks if str(task.case.subject) not in known]
    for at, (task, done) in enumerate(_all_done(left, executor), 1):
        _keep(work, task, done)
        known[str(task.case.subject)] = done.record
        tell(len(tasks) - len(left) + at, len(tasks), str(task.case.subject))
    records = [known[key] for key in sorted(known)]
    notes = idle(known_waivers, [record["result"] for record in records if record["result"]], at=now)
    write_text(work / NOTES, to_json(notes))
    _table(records, work / "results.parquet")
    _publish(work, target)
    return Swept(records=records, folder=target, index=write_index(out), went_on=len(tasks) - len(left), notes=notes)


def _notebook(question: str, here: Path) -> Listed:
    """The notebook that answers a question: its parameters are the sweep's."""
    found = [listed for listed in available(here) if listed.question == question]
    if not found:
        raise ParameterError(f"no notebook answers the question {question}", "reinstall meshlab")
    return found[0]


def _given(notebook: Listed, parameters: Mapping[str, str]) -> dict[str, Any]:
    for name, remedy in (
        ("service", "leave it out, or use meshlab report for one service"),
        ("source", "name it with --source"),
    ):
        if name in parameters:
            raise ParameterError(f"a sweep does not take the parameter {name}", remedy)
    return dict(convert(notebook.parameters, parameters))


def _span(window: Any) -> dict[str, str]:
    from meshlab.core.times import format_duration

    times = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    return {**times, "step": format_duration(window.step_ms)}


def _begun(out: Path, asked: Mapping[str, Any]) -> Path | None:
    """The folder of a run that was asked the same and did not end."""
    for path in sorted(out.glob(f".*.partial/{_ASKED}")):
        if read(path).get("asked") == asked:
            return path.parent
    return None


def _begin(work: Path, about: Mapping[str, Any]) -> None:
    if (work / _ASKED).is_file() and read(work / _ASKED) != about:
        shutil.rmtree(work)  # of another sweep, that ended at the same second of the store's time
    try:
        (work / "subjects").mkdir(parents=True, exist_ok=True)
        write_text(work / _ASKED, to_json(about))
    except OSError as e:
        raise ReportError(
            f"the sweep could not be written to {work.parent}: {e.strerror or e}", "choose another folder"
        ) from None


def _all_done(tasks: Sequence[Task], executor: Callable[[], Executor]) -> Iterator[tuple[Task, Done]]:
    """Judge all, in the order in which they are ready; workers that die take nobody along."""
    left = list(tasks)
    try:
        for task, done in _at_once(left, executor):
            left.remove(task)
            yield task, done
    except BrokenExecutor:
        # Somebody killed a worker (the kernel, for its memory): one at a time tells on whose account.
        for task in list(left):
            yield task, _alone(task, executor)


def _at_once(tasks: Sequence[Task], executor: Callable[[], Executor]) -> Iterator[tuple[Task, Done]]:
    if not tasks:
        return
    pool = executor()
    waiting: dict[Future[Done], Task] = {}
    try:
        waiting |= {pool.submit(judged, task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], _of(future, waiting[future])
    finally:
        # Dask's executor cannot cancel by its shutdown.
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


def _of(future: Future[Done], task: Task) -> Done:
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:  # noqa: BLE001 - such as an answer that cannot be carried over
        return failed(task, f"{type(error).__name__}: {error}")


def _alone(task: Task, executor: Callable[[], Executor]) -> Done:
    try:
        ((_, done),) = _at_once([task], executor)
    except BrokenExecutor:
        return failed(task, "its worker died twice; the machine may be short of memory: ask about a shorter window")
    return done


def _keep(work: Path, task: Task, done: Done) -> None:
    """Write a subject down: its folder is there as a whole, or not at all."""
    with atomic_folder(work / "subjects" / folder_of(task.case.subject)) as folder:
        for name, content in done.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        write_text(folder / "record.json", to_json(done.record))


def _records(run: Path) -> dict[str, Mapping[str, Any]]:
    """What a run has finished. An error is no end: it is tried again."""
    found = [read(path) for path in sorted(run.glob("subjects/[!.]*/record.json"))]
    return {str(r["subject"]): r for r in found if r.get("schema") == SCHEMA and r.get("verdict") != ERROR}


def _run_before(target: Path) -> Path | None:
    """The last finished run of the same question."""
    question = target.name.rpartition("-")[0]
    earlier = [p for p in target.parent.glob(f"{question}-[0-9]*T*Z") if p.name < target.name]
    return max(earlier, default=None)


def _summary(run: Path | None, subject: object) -> Mapping[str, Any] | None:
    return read_result(run / "subjects" / folder_of(subject) / "record.json") if run else None


def _table(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    rows = [
        {
            **{name: str(record[name]) for name in _TEXTS},
            "failing": ", ".join(_failing(record)),
            "waived": ", ".join(str(f["code"]) for f in waived(record["result"] or {})),
            "without_waivers": _without(record),
            "page": f"subjects/{folder_of(record['subject'])}/report.html" if record["page"] else "",
        }
        for record in records
    ]
    frame = pd.DataFrame(rows, columns=[*_TEXTS, *_SAID], dtype="str")
    frame.to_parquet(path, index=False, compression="zstd")


def _failing(record: Mapping[str, Any]) -> list[str]:
    findings = (record["result"] or {}).get("findings", ())
    return [str(f["code"]) for f in findings if f["verdict"] == "FAIL" and not f.get("waived")]


def _without(record: Mapping[str, Any]) -> str:
    """The verdict without waivers."""
    told = (record["result"] or {}).get("waivers") or {}
    return str(told.get("without", record["verdict"]))


def _publish(work: Path, target: Path) -> None:
    """The finished run takes the place of one over the same window."""
    # What a kill left half-written is no one's.
    for rest in work.glob("subjects/.*"):
        shutil.rmtree(rest, ignore_errors=True)
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        os.replace(target, old)
    os.replace(work, target)
    shutil.rmtree(old, ignore_errors=True)


def executors(kind: str, jobs: int, dask: str = "") -> Callable[[], Executor]:
    """How to make an executor.

    Parameters
    ----------
    kind : str
        ``processes`` or ``threads``.
    jobs : int
        Workers; 0: one for each core.
    dask : str
        Address of a Dask scheduler, in place of both.

    Raises
    ------
    ParameterError
        Dask is not installed.
    """
    if dask:
        return lambda: _dask(dask)
    workers = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if kind == "threads":
        from concurrent.futures import ThreadPoolExecutor

        return lambda: ThreadPoolExecutor(workers)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Forking a process that has threads (those of pyarrow and of the store's client) may hang.
    return lambda: ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _dask(address: str) -> Executor:
    try:
        client = import_module("distributed").Client
    except ModuleNotFoundError:
        raise ParameterError("--dask needs the package distributed", 'pip install "meshlab[dask]"') from None
    try:
        connected = client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as e:
        raise ParameterError(f"no Dask scheduler answers at {address}: {e}", "check the address") from None
    executor: Executor = connected.get_executor(pure=False)
    end = executor.shutdown

    def shutdown(wait: bool = True, *, cancel_futures: bool = False) -> None:
        end(wait=wait)
        connected.close()

    executor.shutdown = shutdown  # type: ignore[method-assign]
    return executor
