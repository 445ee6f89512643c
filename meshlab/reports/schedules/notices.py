"""What receivers are told of a report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import requests

from meshlab.core.results import SHAPES
from meshlab.core.sanitize import plain
from meshlab.errors import ReportError
from meshlab.reports.render.message import changes
from meshlab.reports.schedules.entries import Kind, On, Receiver, Scheduled
from meshlab.reports.waivers.waiving import in_words

__all__ = ["SEVERITY", "Notice", "last_until", "post", "tell", "written"]

SEVERITY: Final = {"FAIL": "critical", "WARN": "warning", "INCONCLUSIVE": "warning", "ERROR": "warning"}
_GRACE: Final = timedelta(minutes=10)
_TIMEOUT_S: Final = 15
_LONGEST: Final = 2_000
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Notice:
    """A run of a report, for those who want to know.

    Parameters
    ----------
    report : Scheduled
    at : datetime
        When it ended; aware.
    folder : str
        The run's folder below that of all reports.
    result : mapping or None
        The summary; None when there is no verdict.
    before : mapping or None
        That of the run before; None for the first one, or where it had none.
    error : str
        Why there is no verdict.
    """

    report: Scheduled
    at: datetime
    folder: str
    result: Mapping[str, Any] | None
    before: Mapping[str, Any] | None
    error: str = ""

    @property
    def word(self) -> str:
        """The verdict, or ``ERROR``."""
        return str(self.result["verdict"]) if self.result else "ERROR"

    @property
    def changed(self) -> bool:
        """Whether there is anything new: a first run that is not PASS is."""
        then = str(self.before["verdict"]) if self.before else "PASS"
        return self.word != then


def tell(receiver: Receiver, notice: Notice) -> bool:
    """Tell one receiver, if it wants to know.

    Parameters
    ----------
    receiver : Receiver
    notice : Notice

    Returns
    -------
    bool
        Whether it was told.

    Raises
    ------
    ConfigError
        Its address is not where it should be.
    ReportError
        It cannot be reached, or refuses. The address is in no message: it may be a secret.
    """
    if receiver.kind is not Kind.ALERTMANAGER and receiver.on is On.CHANGE and not notice.changed:
        return False
    address = receiver.address()
    body: object
    if receiver.kind is Kind.ALERTMANAGER:
        address, body = f"{address}/api/v2/alerts", _alerts(receiver, notice)
    else:
        body = _slack(receiver, notice) if receiver.kind is Kind.SLACK else _webhook(receiver, notice)
    if not body:
        return False
    post(receiver, address, body)
    return True


def post(receiver: Receiver, address: str, body: object) -> None:
    """Send a receiver something.

    Raises
    ------
    ReportError
        It cannot be reached, or refuses.
    """
    who = f"notify.{receiver.name}"
    try:
        with _unlogged():
            answer = requests.post(address, json=body, timeout=_TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        raise ReportError(f"{who} cannot be reached: {type(error).__name__}", "look at its address") from None
    if answer.status_code >= 300:
        raise ReportError(f"{who} answers {answer.status_code}", "look at its address, and at what it takes")


@contextmanager
def _unlogged() -> Iterator[None]:
    """urllib3 logs the path of every address at its level DEBUG, and that of a webhook is its password."""
    log = logging.getLogger("urllib3.connectionpool")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _alerts(receiver: Receiver, notice: Notice) -> list[dict[str, Any]]:
    """What fires after this run, and what ends with it."""
    known = notice.before
    then = _labels(notice, known, str(known["verdict"])) if known and known["verdict"] != "PASS" else None
    failed = _labels(notice, None, "ERROR")
    if notice.result is None:
        # Nothing is known of the mesh: what fired goes on until it is known better.
        fires, ends = [failed, then], []
    else:
        now = _labels(notice, notice.result, notice.word) if notice.word != "PASS" else None
        fires, ends = [now], [failed, then if then != now else None]
    # An alert that is not repeated ends by itself: these last until the next run has had its time.
    until = last_until(notice.report, notice.at)
    began = written(notice.at - timedelta(seconds=1))
    told = _annotated(receiver, notice)
    return [{**told, "labels": one, "endsAt": written(until)} for one in fires if one] + [
        {"labels": one, "startsAt": began, "endsAt": written(notice.at)} for one in ends if one
    ]


def last_until(report: Scheduled, at: datetime) -> datetime:
    """How long an alert lasts that is raised at a moment: until the next run has had its time."""
    return at + report.cron.longest_gap(at) + _GRACE


def _labels(notice: Notice, result: Mapping[str, Any] | None, word: str) -> dict[str, str]:
    about = {k: plain(result[k]) for k in ("question", "subject")} if result else {}
    name = "MeshlabReportFailed" if word == "ERROR" else "MeshlabVerdict"
    told = {"alertname": name, "report": notice.report.name, "severity": SEVERITY[word]}
    owner = {"owner": plain(result["owner"])} if result and result.get("owner") else {}
    return {**told, **about, **owner, **({} if word == "ERROR" else {"verdict": word})}


def _annotated(receiver: Receiver, notice: Notice) -> dict[str, Any]:
    link = _link(receiver, notice)
    return {
        "annotations": {"summary": _headline(notice), "description": "; ".join(_changes(notice))},
        **({"generatorURL": link} if link else {}),
    }


def _slack(receiver: Receiver, notice: Notice) -> dict[str, Any]:
    aside = plain(in_words(notice.result or {}))
    word = f"*{notice.word}* {aside}".rstrip()
    lines = [f"{SHAPES.get(notice.word, '!')} {word} {notice.report.name}: {_headline(notice)}"]
    lines.append("; ".join(_changes(notice)))
    if notice.result and notice.result.get("owner"):
        lines[-1] += f"; owner {plain(notice.result['owner'])}"
    # Slack reads <, > and & as markup, links and mentions of everybody included.
    text = "\n".join(line.translate(_SLACK) for line in lines)
    link = _link(receiver, notice)
    return {"text": text + (f"\n<{link}|the report>" if link else "")}


def _webhook(receiver: Receiver, notice: Notice) -> dict[str, Any]:
    return {
        "schema": "meshlab.notice/1",
        "report": notice.report.name,
        "at": written(notice.at),
        "verdict": notice.word,
        "before": str(notice.before["verdict"]) if notice.before else None,
        "headline": _headline(notice),
        "changes": _changes(notice),
        "link": _link(receiver, notice),
        "result": dict(notice.result) if notice.result else None,
    }


def _headline(notice: Notice) -> str:
    text = plain(notice.result["headline"] if notice.result else notice.error)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _changes(notice: Notice) -> list[str]:
    return [plain(text) for text in changes(notice.result, notice.before)] if notice.result else ["there is no verdict"]


def _link(receiver: Receiver, notice: Notice) -> str:
    return f"{receiver.link}/{notice.folder}/report.html" if receiver.link and notice.result else ""


def written(moment: datetime) -> str:
    """A time as Alertmanager reads it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
