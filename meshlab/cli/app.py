"""The command line: thin over the package, quick to start, and never a traceback unless asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from meshlab import __version__
from meshlab.core import sanitize
from meshlab.core.sanitize import plain
from meshlab.errors import Incomplete, MeshlabError, ParameterError
from meshlab.reports.run.exits import FAILED, INCONCLUSIVE, FailOn, exit_code, worst_code

if TYPE_CHECKING:
    from meshlab.core.series import SeriesSet
    from meshlab.core.window import Window
    from meshlab.engines.base import Engine
    from meshlab.reports.run.runner import Outcome
    from meshlab.telemetry.dialects.base import MeshOptions

__all__ = ["app", "exit_code", "main"]

INTERRUPTED: Final = 130


class Over(StrEnum):
    """What a sweep asks about."""

    SERVICES = "services"


class Pages(StrEnum):
    """Whose page a sweep writes."""

    FAILING = "failing"
    ALL = "all"
    NONE = "none"


class Workers(StrEnum):
    """What judges in a sweep."""

    PROCESSES = "processes"
    THREADS = "threads"


class Format(StrEnum):
    """How `meshlab query` writes its answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class _Commands(TyperGroup):
    """Groups are imported when they are asked for; the lab needs packages that not everybody installs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), "schedule", "lab"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name == "schedule":
            return typer.main.get_group(import_module("meshlab.reports.schedules.command").app)
        if cmd_name != "lab":
            return super().get_command(ctx, cmd_name)
        try:
            return typer.main.get_group(import_module("meshlab.lab.command").app)
        except ModuleNotFoundError as e:
            return typer.main.get_command(_without_lab(e))


app = typer.Typer(
    cls=_Commands,
    help="Ask a service mesh whether it works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Source = Annotated[str, typer.Option(help="A profile, http(s)://..., a recording's name, or a path with a /.")]
_Start = Annotated[str, typer.Option(help="RFC 3339 with an offset, unix seconds, or -1h.")]
_End = Annotated[str, typer.Option(help="The same; now when not given.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meshlab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Ask a service mesh whether it works."""


@app.command()
def report(
    notebook: Annotated[str, typer.Argument(help="A name (see `meshlab notebooks`) or a path.")],
    source: Annotated[str | None, typer.Option(help="What to ask: the same as -p source=...")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A notebook parameter.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The report's folder.", show_default="out/NOTEBOOK/SOURCE")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 10 at this verdict or worse.")] = FailOn.FAIL,
    inconclusive_ok: Annotated[
        bool, typer.Option("--inconclusive-ok", help="Exit with 0 when inconclusive, not with 11.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Longest time that one cell may take, seconds.")] = 600.0,
    watch: Annotated[
        str, typer.Option("--watch", metavar="EVERY", help="Look again until there is a verdict, such as every 60s.")
    ] = "",
    longest: Annotated[str, typer.Option("--max", metavar="TIME", help="Longest time to watch.")] = "30m",
    since: Annotated[str, typer.Option("--since", help="Where the watched window begins; its first look else.")] = "",
) -> None:
    """Run a notebook, publish it as a page, and exit by its verdict.

    With --watch the window begins at the first look (or --since), grows, and is judged again and again until there is a
    verdict, in either direction, or --max has passed.

    Exit codes: 0 fine, 2 wrong parameter or configuration, 3 the engine or the notebook failed, 10 verdict at or above
    --fail-on, 11 inconclusive.
    """
    given = _pairs(parameters or ())
    if source is not None:
        if "source" in given:
            raise ParameterError("source is given twice", "use --source or -p source=..., not both")
        given = {"source": source, **given}
    asked = given.get("source", "default")
    folder = out if out is not None else Path("out", _name(notebook.removesuffix(".ipynb")), _name(asked))
    if since and not watch:
        raise ParameterError("--since is given without --watch", "use -p start=... for one look")

    def look() -> Outcome:
        with _ends_in_order(), _spinner(f"running {plain(notebook)}"):
            from meshlab.reports.run.runner import run

            return run(notebook, parameters=given, out=folder, timeout_s=timeout)

    if watch:
        given |= _fixed_start(given, since)
        done = _watched(look, watch, longest, at_once=bool(since))
    else:
        done = look()
    from meshlab.reports.waivers.waiving import in_words

    about = given.get("source") or done.source or Path(notebook).stem
    verdict = f"{done.verdict.value} {in_words(done.result)}".rstrip()
    _say(f"{verdict}  {plain(about)}  {plain(done.result['headline'])} -> {plain(done.page)}\n")
    raise typer.Exit(exit_code(done.verdict.value, fail_on, inconclusive_ok=inconclusive_ok))


@app.command()
def sweep(
    question: Annotated[str, typer.Argument(help="Such as canary or scaling.")],
    source: _Source,
    over: Annotated[Over, typer.Option(help="What is asked about.")] = Over.SERVICES,
    parameters: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Of the question's notebook.")
    ] = None,
    pages: Annotated[Pages, typer.Option(help="Whose page is written; failing: what is not PASS.")] = Pages.FAILING,
    executor: Annotated[Workers, typer.Option(help="What judges.")] = Workers.PROCESSES,
    jobs: Annotated[int, typer.Option(min=0, help="Workers; 0: one for each core.")] = 0,
    dask: Annotated[str, typer.Option(metavar="ADDRESS", help="A Dask scheduler, in place of --executor.")] = "",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The folder of all runs.", show_default="out/sweep/SOURCE")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 10 at this verdict or worse.")] = FailOn.FAIL,
    inconclusive_ok: Annotated[
        bool, typer.Option("--inconclusive-ok", help="Exit with 0 when inconclusive, not with 11.")
    ] = False,
) -> None:
    """Ask one question of every service at once.

    The mesh is asked once, each service is judged by itself, and what is not PASS gets a page. A sweep that was stopped
    goes on when the same command is typed again.

    Exit codes, the first that holds: 2 wrong parameter or configuration, 10 a verdict at or above --fail-on, 3 a
    service that could not be judged, 11 one that is inconclusive (or nothing was judged at all), 0 fine.
    """
    from meshlab.core.progress import reporting
    from meshlab.reports.sweep.sweep import executors
    from meshlab.reports.sweep.sweep import sweep as run

    del over  # services are all there is so far
    folder = out if out is not None else Path("out", "sweep", _name(source))
    with _ends_in_order(), _bar("sweeping") as bar, reporting(bar or (lambda done, total, what: None)):
        done = run(
            question,
            source=source,
            out=folder,
            executor=executors(executor.value, jobs, dask),
            parameters=_pairs(parameters or ()),
            pages=pages.value,
        )
    words = [str(record["verdict"]) for record in done.records]
    counted = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))
    counted += f"; {done.waived} findings waived" if done.waived else ""
    counted += "".join(f"; {note}" for note in done.notes)
    went_on = f" ({done.went_on} of them from the run that was stopped)" if done.went_on else ""
    _say(f"{len(words)} services{went_on}: {plain(counted or 'none was seen')} -> {plain(done.index)}\n")
    raise typer.Exit(worst_code(words, fail_on, inconclusive_ok=inconclusive_ok))


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="Where reports or a sweep's runs are, at any depth.")],
) -> None:
    """Write one page over all runs below a folder, with the verdicts of each subject over time."""
    from meshlab.reports.index import write_index

    _say(f"{plain(write_index(folder))}\n")


@app.command()
def notebooks() -> None:
    """List the notebooks that can be asked for by name, with their parameters."""
    from meshlab.reports.run.notebooks import available

    found = available(Path.cwd())
    lines: list[str] = []
    for n in found:
        lines.append(f"{plain(n.name)}  {plain(n.title)}".rstrip())
        typed = [(plain(f"{p.name}={p.typed}"), plain(p.help)) for p in n.parameters]
        width = max((len(text) for text, _ in typed), default=0)
        lines += [f"  -p {text:<{width}}  {meaning}".rstrip() for text, meaning in typed]
    _say("".join(f"{line}\n" for line in lines))


@app.command()
def doctor(
    source: Annotated[str, typer.Argument(help="A profile, http(s)://..., a recording's name, or a path with a /.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    seconds: Annotated[
        float, typer.Option(min=1, help="When so much time has passed, the rest is not looked at.")
    ] = 10,
) -> None:
    """Find out what is in a store, what can be asked of it, and what to type next.

    At most twenty small questions. Exit codes: 0 something can be asked, 11 nothing can, 2 and 3 for errors.
    """
    import json
    from datetime import UTC, datetime

    from meshlab.doctor.examination import examine
    from meshlab.doctor.text import as_dict, as_text

    with _spinner(f"looking at {plain(source)}"):
        found = examine(source, here=datetime.now(UTC), longest_s=seconds)
    text = json.dumps(as_dict(found), indent=2, ensure_ascii=False) + "\n" if as_json else as_text(found)
    _say(sanitize.json(text) if as_json else text)
    raise typer.Exit(0 if found.can_answer else INCONCLUSIVE)


@app.command()
def query(
    promql: Annotated[str, typer.Argument(help="A PromQL expression.")],
    source: _Source,
    start: _Start = "",
    end: _End = "",
    step: Annotated[str, typer.Option(help="A duration, such as 15s; chosen by the window when not given.")] = "",
    at: Annotated[str, typer.Option(help="One instant, in place of a window; now when neither is given.")] = "",
    format: Annotated[Format, typer.Option(help="How the answer is written.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A file, in place of the terminal.")] = None,
) -> None:
    """Evaluate a PromQL expression, over a window or at an instant."""
    from meshlab.cli import answers
    from meshlab.core.progress import reporting
    from meshlab.core.window import Window, parse_instant
    from meshlab.telemetry.source import open_engine

    if at and (start or end or step):
        raise ParameterError("--at and a window are both given", "use --at, or --start, --end and --step")
    if not start and (end or step):
        raise ParameterError("--end or --step is given without --start", "add --start, such as --start -1h")
    if format is Format.PARQUET and out is None:
        raise ParameterError("--format parquet is not for a terminal", "name a file with -o")
    engine = open_engine(source)
    with _bar("asking") as bar, reporting(bar or (lambda done, total, what: None)):
        if start:
            answer = engine.query_range(promql, Window.parse(start, end, step, now=engine.now()))
        else:
            answer = engine.query(promql, parse_instant(at, engine.now(), "at") if at else None)
    if format is Format.PARQUET:
        _write(answers.parquet(answer), out)
    else:
        text = {Format.TABLE: answers.table, Format.CSV: answers.csv, Format.JSON: answers.json}[format](answer)
        _write(text.encode(), out)
    _tell_about(answer)


@app.command()
def record(
    source: _Source,
    start: _Start,
    out: Annotated[Path, typer.Option("-o", "--out", help="The recording's folder.")],
    end: _End = "",
    selectors: Annotated[
        list[str] | None,
        typer.Option("--selector", metavar="SELECTOR", help="Series to record beside those that the notebooks need."),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option("--redact", metavar="LABEL", help="A label whose values are replaced by pseudonyms."),
    ] = None,
) -> None:
    """Record raw samples of a server to a folder that notebooks can be run on.

    A recording that was stopped goes on when the same command is typed again: until then, what is there is kept in a
    folder beside it that ends in .partial.
    """
    from meshlab.core.window import Window
    from meshlab.recordings.contents import contents
    from meshlab.recordings.pieces import work_folder
    from meshlab.recordings.recorder import record as write
    from meshlab.telemetry.source import opened

    _check_is_recording(out)
    engine, options = opened(source)
    window = Window.parse(start, end, now=engine.now())
    chosen = _needed(engine, window, options, selectors or ())
    work = work_folder(out)
    resumed = work.is_dir()
    try:
        with _ends_in_order(), _bar("recording") as progress:
            folder = write(
                engine,
                chosen,
                window,
                out,
                what=f"Recorded from {engine.description.partition(' at ')[0] if redact else engine.description}",
                command=_record_command(source, start, end, selectors or (), redact or ()),
                redact=redact or (),
                progress=progress,
                resume_key=f"{source}, {start} to {end or 'now'}",
            )
    except KeyboardInterrupt:
        if work.is_dir():
            typer.echo(f"meshlab: kept in {plain(work)} what is there: the same command goes on", err=True)
        raise
    found = contents(folder)
    span = found.manifest["window"]
    went_on = f"went on with what was begun at {plain(found.manifest['recorded'])}\n" if resumed else ""
    _say(f"recorded {plain(span['start'])} to {plain(span['end'])} -> {plain(folder)}\n{went_on}{found.text()}")
    _say(f"next: {_next_command(folder, found.services)}\n")


def _needed(engine: Engine, window: Window, options: MeshOptions, more: Sequence[str]) -> list[str]:
    """All that the notebooks read of the meshes that are there, and what was asked for."""
    from meshlab.telemetry.dialects.detection import detect, none_found
    from meshlab.telemetry.kubernetes import recorded

    meshes = detect(engine, window, options)
    if not meshes and not more:
        raise none_found(engine.description, window, options.mesh)
    return list(dict.fromkeys([*(s for mesh in meshes for s in mesh.recorded), *recorded(options), *more]))


def _record_command(source: str, start: str, end: str, selectors: Sequence[str], redact: Sequence[str]) -> str:
    """The command as it was typed. Where names are redacted, the server's is none of the reader's business either."""
    import shlex

    named = "URL" if redact and source.startswith(("http://", "https://")) else source
    parts = ["meshlab", "record", "--source", named, "--start", start, *(["--end", end] if end else [])]
    parts += [part for s in selectors for part in ("--selector", s)]
    return shlex.join([*parts, *(part for label in redact for part in ("--redact", label))])


def _next_command(folder: Path, services: Sequence[str]) -> str:
    import shlex

    path = str(folder) if "/" in str(folder) else f"./{folder}"
    service = shlex.quote(plain(services[0])) if services else "NAME"
    return f"meshlab report canary-verdict --source {shlex.quote(plain(path))} -p service={service}"


def _fixed_start(given: dict[str, str], since: str) -> dict[str, str]:
    """Where a watched window begins, by the store's own clock; only its end moves."""
    from meshlab.core.window import parse_instant
    from meshlab.telemetry.source import open_engine

    for name in ("start", "end"):
        if name in given:
            raise ParameterError(f"{name} is given, and a watched window has its own", "use --since, or no --watch")
    if "source" not in given:
        raise ParameterError("there is nothing to watch", "name a live server with --source")
    engine = open_engine(given["source"])
    if not engine.is_live:
        raise ParameterError(f"{plain(given['source'])} is a recording, which does not grow", "leave out --watch")
    start = parse_instant(since, engine.now(), "since") if since else engine.now()
    return {"start": start.isoformat(timespec="milliseconds")}


def _watched(look: Callable[[], Outcome], every: str, longest: str, *, at_once: bool) -> Outcome:
    import time

    from meshlab.core.window import parse_duration
    from meshlab.reports.run.watching import watch

    return watch(
        look,
        every_s=parse_duration(every) / 1000,
        longest_s=parse_duration(longest) / 1000,
        at_once=at_once,
        clock=time.monotonic,
        wait=time.sleep,
        told=lambda line: _say(f"{plain(line)}\n"),
    )


def main() -> None:
    """The console's entry: every error becomes one sentence and an exit code."""
    try:
        app()
    except MeshlabError as e:
        _stop(e, str(e), e.exit_code)
    except ModuleNotFoundError as e:
        extra = "meshlab[lab]" if "lab" in sys.argv[1:] else "meshlab"
        _stop(e, f'the package {e.name} is not installed; try: pip install "{extra}"', FAILED)
    except KeyboardInterrupt as e:
        _stop(e, "stopped", INTERRUPTED)
    except OSError as e:
        _stop(e, f"{e}; check the disk and its permissions, or try again with --debug", FAILED)
    except Exception as e:  # noqa: BLE001 - the one place where nothing may pass
        _stop(
            e, f"{type(e).__name__}: {e}; this is a bug in meshlab or its installation: try again with --debug", FAILED
        )


def _stop(error: BaseException, sentence: str, code: int) -> None:
    if "--debug" in sys.argv[1:]:
        import traceback

        typer.echo("".join(traceback.format_exception(error)), err=True)
    typer.echo(f"meshlab: {plain(sentence)}", err=True)
    sys.exit(code)


def _without_lab(missing: ModuleNotFoundError) -> typer.Typer:
    """What stands in for the lab where its packages are missing."""
    stub = typer.Typer(add_completion=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

    @stub.command("lab", context_settings=anything)
    def lab() -> None:
        """A real service mesh on this machine (not installed: pip install "meshlab[lab]")."""
        raise missing

    return stub


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {plain(text)!r} is not of the form name=value", "write -p name=value")
        if name in found:
            raise ParameterError(f"parameter {plain(name)} is given twice", "give it once")
        found[name] = value
    return found


def _name(text: str) -> str:
    """A folder's name for a source or a notebook: an address's host and port, a path's last part."""
    address = urlsplit(text) if text.startswith(("http://", "https://")) else None
    bare = address.netloc.rpartition("@")[2] if address else text.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", bare).strip(".-") or "default"


def _say(text: str) -> None:
    """Print; a reader that has seen enough (``| head``) changes no exit code."""
    try:
        typer.echo(text, nl=False)
    except BrokenPipeError:
        import os

        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # or the interpreter would complain when it flushes at its end
        os.close(nowhere)


def _write(data: bytes, out: Path | None) -> None:
    if out is None:
        _say(data.decode())
        return
    import os
    import secrets

    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        beside.write_bytes(data)
        os.replace(beside, out)
    except OSError as e:
        raise ParameterError(f"{plain(out)} cannot be written: {e.strerror}", "choose another file with -o") from None
    finally:
        beside.unlink(missing_ok=True)


def _tell_about(answer: SeriesSet) -> None:
    for warning in answer.query.warnings:
        typer.echo(f"meshlab: warning: {plain(warning)}", err=True)
    if not answer.query.complete:
        raise Incomplete(f"a part of the answer is missing: {'; '.join(answer.query.failed)}", "try again later")


def _check_is_recording(out: Path) -> None:
    """A recording replaces a whole folder, so it must not be one that holds anything else."""
    if out.exists() and not (out / "manifest.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ParameterError(f"{plain(out)} exists and is no recording", "choose a new folder with -o")


@contextmanager
def _spinner(text: str) -> Iterator[None]:
    """A sign of life on a terminal; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(text)):
        yield


@contextmanager
def _bar(text: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar on a terminal, for what knows how far it is; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape as literal
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(text, total=None)

        def told(done: int, total: int, what: str) -> None:
            shown.update(task, completed=done, total=total, description=f"{text} {literal(plain(what)[:60])}")

        yield told


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: the kernel goes too, and nothing half written stays."""
    import logging
    import signal

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        # The kernel's client leaves tasks behind, which would tell of their end on stderr while the interpreter ends.
        logging.getLogger("asyncio").disabled = True
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
