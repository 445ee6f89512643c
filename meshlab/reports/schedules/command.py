"""``meshlab schedule``: scheduled reports, and what to deploy for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from meshlab import config
from meshlab.config import trust
from meshlab.core.sanitize import plain
from meshlab.display.numbers import plural
from meshlab.errors import ConfigError
from meshlab.reports.run.exits import FailOn, exit_code, worst_code
from meshlab.reports.schedules.emit import TARGETS, Deployment, Target
from meshlab.reports.schedules.entries import Scheduled, named, scheduled

__all__ = ["app"]

app = typer.Typer(help=r"Scheduled reports: [\[report]] in meshlab.toml.", no_args_is_help=True)


@app.command("list")
def list_reports() -> None:
    """List the reports of the nearest meshlab.toml."""
    for report in _all():
        receivers = ", ".join(receiver.name for receiver in report.notify) or "nobody"
        timer = f"{report.cron.text} ({report.cron.zone})"
        typer.echo(plain(f"{report.name}  {report.what}  {timer}  notifies {receivers}"))


@app.command()
def emit(
    target: Annotated[Target, typer.Argument(help="What to write it for; alerts are Prometheus rules.")],
    image: Annotated[str, typer.Option(help="Container image of a cronjob.")] = "meshlab:latest",
    command: Annotated[str, typer.Option(help="The meshlab program, for crontab and systemd.")] = "",
) -> None:
    """Print what to deploy, for all reports.

    Nothing is installed. Exit codes: 0 fine, 2 the configuration is wrong, or the target cannot say it.
    """
    file = config.find(Path.cwd())
    deployment = Deployment(
        reports=_all(),
        folder=file.parent if file else Path.cwd(),
        profiles=config.load(Path.cwd()).profiles,
        checksum=trust.checksum(trust.read(file)) if file else "",
        command=command or shutil.which("meshlab") or "meshlab",
        image=image,
    )
    typer.echo(TARGETS[target](deployment), nl=False)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The report's name.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of all reports.")] = Path("out"),
    timeout: Annotated[float, typer.Option(min=1, help="Longest time for one cell, in seconds.")] = 600.0,
) -> None:
    """Run one report now, as its timer does: publish it, keep the newest ones, and send notifications.

    Exit codes: as of `meshlab report` or `meshlab sweep`, by the report's fail_on; 3 when a receiver was not reached.
    """
    report = named(config.load(Path.cwd(), schedules=True), name)
    if report.sweep:
        raise typer.Exit(_swept(report, out))
    from meshlab.reports.schedules.running import run_once
    from meshlab.reports.waivers.waiving import in_words

    done = run_once(report, out=out, cwd=Path.cwd(), timeout_s=timeout)
    verdict = done.outcome.verdict.value
    words = f"{verdict} {in_words(done.outcome.result)}".rstrip()
    typer.echo(plain(f"{words}  {name}  {done.outcome.result['headline']} -> {done.outcome.page}"))
    if done.delivery.failures:
        raise done.delivery.failures[0]
    raise typer.Exit(exit_code(verdict, FailOn(report.fail_on)))


def _swept(report: Scheduled, out: Path) -> int:
    from meshlab.reports.schedules.sweeping import sweep_once

    done = sweep_once(report, out=out, cwd=Path.cwd())
    counted = ", ".join(f"{done.words.count(word)} {word}" for word in sorted(set(done.words)))
    services = plural(len(done.words), "service")
    typer.echo(plain(f"{services}  {report.name}  {counted or 'no traffic'} -> {done.swept.index}"))
    if done.delivery.failures:
        raise done.delivery.failures[0]
    return worst_code(done.words, FailOn(report.fail_on))


def _all() -> tuple[Scheduled, ...]:
    found = scheduled(config.load(Path.cwd(), schedules=True))
    if not found:
        raise ConfigError("there is no scheduled report here", "write [[report]] into meshlab.toml (docs/schedules.md)")
    return found
