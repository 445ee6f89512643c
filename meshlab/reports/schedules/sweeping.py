"""One run of a sweep on a timer: ask every service, keep the run, notify of each service that changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pandas as pd

from meshlab.core.files import write_text
from meshlab.errors import MeshlabError
from meshlab.reports.index import write_index
from meshlab.reports.metrics import sweep_exposition
from meshlab.reports.schedules.entries import Scheduled
from meshlab.reports.schedules.notifications import Delivery, notify_all, notify_failure
from meshlab.reports.schedules.sweep_notification import NotificationState, SweepNotification
from meshlab.reports.sweep.judging import ERROR
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import SweepRun, sweep

__all__ = ["RanSweep", "states_before", "sweep_once"]

_STALE_S: Final = 900
_COLUMNS: Final = ("subject", "question", "verdict", "owner")


@dataclass(frozen=True, slots=True)
class RanSweep:
    """What a sweep on a timer gave."""

    swept: SweepRun
    delivery: Delivery

    @property
    def words(self) -> list[str]:
        """The services' verdicts."""
        return [str(record["verdict"]) for record in self.swept.records]


def sweep_once(report: Scheduled, *, out: Path, cwd: Path, clock: Callable[[], datetime] | None = None) -> RanSweep:
    """Run a sweep and send notifications.

    Parameters
    ----------
    report : Scheduled
        With a sweep.
    out : Path
        The folder of all reports. The runs are ``NAME/QUESTION-TIME`` in it; the newest `keep` stay, and ``NAME.prom``
        holds the metrics of the newest one. A run that was killed goes on when it is begun again at once; after a
        quarter of an hour it is begun anew, with a window of its own.
    cwd : Path
        Where names are looked up.
    clock : callable, optional
        Says what time it is.

    Raises
    ------
    MeshlabError
        No service was judged; the receivers were notified.
    """
    assert report.sweep is not None
    clock = clock or (lambda: datetime.now(UTC))
    own, options, begun = cwd / out / report.name, report.sweep, monotonic()
    before = states_before(own, options.question)
    _forget_stale(own, clock())
    try:
        swept = sweep(
            options.question,
            source=options.source,
            out=out / report.name,
            executor=executors(options.executor, options.jobs, options.dask),
            parameters=report.parameters,
            pages=options.pages,
            cwd=cwd,
            clock=clock,
            tz="" if report.cron.zone == "UTC" else report.cron.zone,
        )
    except MeshlabError as error:
        raise notify_failure(SweepNotification(report, clock(), "", None, before, str(error)), error) from error
    for old in _runs(own, options.question)[: -report.keep]:
        shutil.rmtree(old, ignore_errors=True)
    write_index(own)
    metrics = sweep_exposition(
        swept.records,
        report=report.name,
        question=options.question,
        seconds=monotonic() - begun,
        at_s=clock().timestamp(),
        next_s=report.cron.next_run(clock()).timestamp(),
    )
    write_text(cwd / out / f"{report.name}.prom", metrics)
    folder = swept.folder.relative_to(cwd / out).as_posix()
    return RanSweep(swept, notify_all(SweepNotification(report, clock(), folder, swept.records, before)))


def states_before(own: Path, question: str) -> dict[str, NotificationState]:
    """What the runs that are kept last said of each service of the newest one.

    A service that could not be judged keeps the verdict that it had: what was found goes on until it is known better.
    """
    known: dict[str, NotificationState] = {}
    for run in _runs(own, question):
        now = {}
        for row in _rows(run):
            state = known.get(row["subject"])
            if row["verdict"] == ERROR:
                verdict, owner = (state.verdict, state.owner) if state else ("", row["owner"])
                now[row["subject"]] = NotificationState(verdict, owner, failed=True)
            else:
                now[row["subject"]] = NotificationState(row["verdict"], row["owner"])
        known = now
    return known


def _rows(run: Path) -> Iterator[Mapping[str, Any]]:
    try:
        table = pd.read_parquet(run / "results.parquet")
    except (OSError, ValueError):
        return
    for row in table.reindex(columns=[*_COLUMNS]).fillna("").astype(str).to_dict("records"):
        yield {str(key): value for key, value in row.items()}


def _forget_stale(own: Path, now: datetime) -> None:
    """What was killed long ago would go on with the window of that time, in place of today's."""
    for path in own.glob(".*.partial/subjects"):
        if now.timestamp() - path.stat().st_mtime > _STALE_S:
            shutil.rmtree(path.parent, ignore_errors=True)


def _runs(own: Path, question: str) -> list[Path]:
    """Those that are whole, oldest first: their names end with their times."""
    return sorted(path.parent for path in own.glob(f"{question}-[0-9]*T*Z/results.parquet"))
