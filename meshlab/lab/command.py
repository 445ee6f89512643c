"""``meshlab lab``: the lab from the command line."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from meshlab.core.running import interruptible
from meshlab.core.sanitize import plain
from meshlab.core.times import parse_duration
from meshlab.errors import LabError
from meshlab.lab.documents import bundled
from meshlab.lab.scenario import Scenario
from meshlab.lab.waiting import Watch
from meshlab.lab.workspace import owners

if TYPE_CHECKING:
    from meshlab.lab.lab import Lab, Run

__all__ = ["app"]

app = typer.Typer(
    name="lab",
    help="A real service mesh on this machine: Envoy sidecars, mutual TLS, load and a Prometheus.",
    no_args_is_help=True,
)

_LONGEST_END_S: Final = 20.0
_STOPS: Final = (signal.SIGTERM, signal.SIGHUP)

_ScenarioName = Annotated[str, typer.Argument(help="A scenario's name (see `meshlab lab scenarios`) or ./path.toml.")]
_Seed = Annotated[int | None, typer.Option(help="Seed of load and workloads, in place of the scenario's.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key, such as load.rate_per_s=50.")
]


@app.command()
def run(
    scenario: _ScenarioName,
    seed: _Seed = None,
    settings: _Set = None,
    record: Annotated[Path | None, typer.Option(help="Folder for the recording; nothing is kept without it.")] = None,
    duration: Annotated[str, typer.Option(help="Length of the window, such as 60s, in place of the scenario's.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Record even if this machine does not keep up.")] = False,
) -> None:
    """Build a scenario, run it, record it, and take everything down."""
    chosen = Scenario.named(scenario, settings or ())
    duration_s = parse_duration(duration) / 1000 if duration else None
    line = _command_line(scenario, seed, settings or (), duration, force)
    with interruptible(*_STOPS), _progress() as watch:
        try:
            with _lab(chosen, seed, watch) as lab:
                done = lab.run(duration_s=duration_s, record=record, command=line, force=force)
        except KeyboardInterrupt:
            raise LabError("the lab was stopped before its end: nothing was recorded", "run it again") from None
    for text in _summary(done):
        typer.echo(text)


@app.command()
def up(scenario: _ScenarioName = "canary-regression", seed: _Seed = None, settings: _Set = None) -> None:
    """Build a scenario and keep it running, under load, until Ctrl-C."""
    chosen = Scenario.named(scenario, settings or ())
    with interruptible(*_STOPS), contextlib.suppress(KeyboardInterrupt):
        with _progress() as watch, contextlib.ExitStack() as stack:
            lab = stack.enter_context(_lab(chosen, seed, watch))
            lab.start_load()
            lab.begin()
            running = stack.pop_all()
        with running, _progress() as watch:
            typer.echo(lab.prometheus_url)
            while True:
                lab.check()
                watch(lab.headline(), 0.0, 0.0)
                time.sleep(0.25)


@app.command()
def down(
    name: Annotated[str, typer.Argument(help="A scenario's name; all labs when not given.", show_default=False)] = "",
) -> None:
    """Stop your labs, or that of one scenario, wherever they were started."""
    running, of = owners(name), f" of {plain(name)}" if name else ""
    for process_id in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGTERM)
    deadline = time.monotonic() + _LONGEST_END_S
    while (left := [one for one in owners(name) if one in running]) and time.monotonic() < deadline:
        time.sleep(0.1)
    typer.echo(f"ended {len(running) - len(left)} of {len(running)} labs" if running else f"no lab{of} is running")
    if left:
        raise LabError(f"the labs with the process ids {', '.join(map(str, left))} did not end", "kill them")


@app.command()
def scenarios() -> None:
    """List the scenarios that come with meshlab."""
    for name, text in bundled().items():
        typer.echo(f"{name}\n    {Scenario.parse(name, text).description}")


def _lab(scenario: Scenario, seed: int | None, watch: Watch) -> Lab:
    try:
        from meshlab.lab.lab import Lab
    except ImportError as error:
        raise LabError(f"the lab needs the package {error.name}", "try: pip install 'meshlab[lab]'") from error
    return Lab(scenario, seed=seed, watch=watch)


def _summary(done: Run) -> Iterator[str]:
    counts, balance = done.truth["counts"]["window"], done.truth["balance"]
    answers = ", ".join(f"{count} x {status}" for status, count in counts["answered"].items())
    yield f"sent {counts['sent']} requests in the window, answers: {answers or 'none'}"
    yield "the books balance" if balance["equal"] else "the books do not balance: see truth.balance in the manifest"
    yield f"largest event-loop lag in the window: {done.truth['event_loop_lag_ms']['max']:.0f} ms"
    if done.recording is not None:
        yield f"recorded in {done.recording}"


def _command_line(
    scenario: str, seed: int | None, settings: tuple[str, ...] | list[str], duration: str, force: bool
) -> str:
    """The command as it goes into the recording; without the folder, which is a matter of this machine."""
    name = Path(scenario).name if "/" in scenario else scenario
    parts = ["meshlab", "lab", "run", name]
    parts += ["--seed", str(seed)] if seed is not None else []
    for setting in settings:
        parts += ["--set", setting]
    parts += ["--duration", duration] if duration else []
    parts += ["--force"] if force else []
    return shlex.join(parts)


@contextlib.contextmanager
def _progress() -> Iterator[Watch]:
    """A line on the terminal that says what the lab waits for; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def watch(what: str, done_s: float, total_s: float) -> None:
            bar.update(task, description=what, completed=done_s, total=total_s or None)

        yield watch
