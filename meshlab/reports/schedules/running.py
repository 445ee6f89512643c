"""One run of a report on a timer: run it, keep it, notify."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from meshlab.core.files import write_text
from meshlab.errors import MeshlabError
from meshlab.reports.run.runner import Outcome, run
from meshlab.reports.schedules.entries import Scheduled
from meshlab.reports.schedules.notifications import Delivery, notify_all, notify_failure
from meshlab.reports.schedules.report_notification import ReportNotification
from meshlab.reports.stored import read_result

__all__ = ["Ran", "run_once"]

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_METRICS: Final = "metrics.prom"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run on a timer gave."""

    outcome: Outcome
    delivery: Delivery


def run_once(
    report: Scheduled, *, out: Path, cwd: Path, timeout_s: float = 600.0, clock: Callable[[], datetime] | None = None
) -> Ran:
    """Run a report and send notifications.

    Parameters
    ----------
    out : Path
        The folder of all reports. The run's own folder is ``NAME/TIME`` in it; the newest `keep` stay, and
        ``NAME.prom`` holds the metrics of the newest one, for node_exporter.
    cwd : Path
        Where names are looked up.
    timeout_s : float
        Longest time that one cell may take.
    clock : callable, optional
        Says what time it is.

    Raises
    ------
    MeshlabError
        There is no verdict; the receivers were notified.
    """
    clock = clock or (lambda: datetime.now(UTC))
    own = out / report.name
    older = _runs(cwd / own)
    before = read_result(older[-1] / "result.json") if older else None
    folder = f"{report.name}/{clock().astimezone(UTC).strftime(_STAMP)}"
    try:
        outcome = run(
            report.notebook,
            parameters=report.parameters,
            out=out / folder,
            timeout_s=timeout_s,
            cwd=cwd,
            before=older[-1] if older else None,
            report=report.name,
            next_run=report.cron.next_run,
            clock=clock,
            tz="" if report.cron.zone == "UTC" else report.cron.zone,
        )
    except MeshlabError as error:
        raise notify_failure(ReportNotification(report, clock(), folder, None, before, str(error)), error) from error
    for old in _runs(cwd / own)[: -report.keep]:
        shutil.rmtree(old, ignore_errors=True)
    write_text(cwd / out / f"{report.name}.prom", (cwd / out / folder / _METRICS).read_text(encoding="utf-8"))
    return Ran(outcome, notify_all(ReportNotification(report, clock(), folder, outcome.result, before)))


def _runs(folder: Path) -> list[Path]:
    """Those that are whole, oldest first: their names are their times."""
    return sorted(path.parent for path in folder.glob("[0-9]*T*Z/result.json"))
