"""One run of a sweep on a timer: ask every service, keep the run, tell of each service that changed."""

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
from meshlab.reports.schedules.news import News, Said, tell
from meshlab.reports.sweep.judging import ERROR
from meshlab.reports.sweep.sweep import Swept, executors, sweep

__all__ = ["RanSweep", "known_before", "sweep_once"]

_STALE_S: Final = 900
_COLUMNS: Final = ("subject", "question", "verdict", "owner")


@dataclass(frozen=True, slots=True)
class RanSweep:
    """What a sweep on a timer gave.

    Parameters
    ----------
    swept : Swept
    told : tuple of str
        Receivers that were told.
    trouble : tuple of MeshlabError
        Why others were not.
    """

    swept: Swept
    told: tuple[str, ...]
    trouble: tuple[MeshlabError, ...]

    @property
    def words(self) -> list[str]:
        """The services' verdicts."""
        return [str(record["verdict"]) for record in self.swept.records]


def sweep_once(report: Scheduled, *, out: Path, cwd: Path, clock: Callable[[], datetime] | None = None) -> RanSweep:
    """Run a sweep, and tell who wants to know.

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
        Nobody was judged; the receivers were told so.
    """
    assert report.sweep is not None
    clock = clock or (lambda: datetime.now(UTC))
    own, asked, begun = cwd / out / report.name, report.sweep, monotonic()
    before = known_before(own, asked.question)
    _forget_stale(own, clock())
    try:
        swept = sweep(
            asked.question,
            source=asked.source,
            out=out / report.name,
            executor=executors(asked.executor, asked.jobs, asked.dask),
            parameters=report.parameters,
            pages=asked.pages,
            cwd=cwd,
            clock=clock,
            tz="" if report.cron.zone == "UTC" else report.cron.zone,
        )
    except MeshlabError as error:
        _, unheard = _tell_all(report, News(report, clock(), "", None, before, str(error)))
        if unheard:
            both = f"{error.what}; and {'; '.join(one.what for one in unheard)}"
            raise type(error)(both, error.hint) from error
        raise
    for old in _runs(own, asked.question)[: -report.keep]:
        shutil.rmtree(old, ignore_errors=True)
    write_index(own)
    metrics = sweep_exposition(
        swept.records,
        report=report.name,
        question=asked.question,
        seconds=monotonic() - begun,
        at_s=clock().timestamp(),
    )
    write_text(cwd / out / f"{report.name}.prom", metrics)
    folder = swept.folder.relative_to(cwd / out).as_posix()
    told, trouble = _tell_all(report, News(report, clock(), folder, swept.records, before))
    return RanSweep(swept, told, trouble)


def known_before(own: Path, question: str) -> dict[str, Said]:
    """What the runs that are kept last said of each service of the newest one.

    A service that could not be judged keeps the verdict that it had: what was found goes on until it is known better.
    """
    known: dict[str, Said] = {}
    for run in _runs(own, question):
        now = {}
        for row in _rows(run):
            then = known.get(row["subject"])
            if row["verdict"] == ERROR:
                verdict, owner = (then.verdict, then.owner) if then else ("", row["owner"])
                now[row["subject"]] = Said(verdict, owner, failed=True)
            else:
                now[row["subject"]] = Said(row["verdict"], row["owner"])
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


def _tell_all(report: Scheduled, news: News) -> tuple[tuple[str, ...], tuple[MeshlabError, ...]]:
    """One receiver that cannot be reached is no reason not to tell the others."""
    told: list[str] = []
    trouble: list[MeshlabError] = []
    for receiver in report.notify:
        try:
            if tell(receiver, news):
                told.append(receiver.name)
        except MeshlabError as error:
            trouble.append(error)
    return tuple(told), tuple(trouble)
