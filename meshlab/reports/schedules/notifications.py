"""How receivers are reached: an alert for each label set, a chat message, or JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from meshlab.core.sanitize import chat, plain, printable
from meshlab.errors import MeshlabError
from meshlab.reports.schedules.entries import Kind, On, Receiver, Scheduled
from meshlab.reports.schedules.posting import post
from meshlab.reports.sweep.judging import ERROR

__all__ = ["Alerts", "Delivery", "Notification", "labels", "notify", "notify_all", "notify_failure", "rfc_3339"]

_SEVERITY: Final = {"FAIL": "critical", "WARN": "warning", "INCONCLUSIVE": "warning", ERROR: "warning"}
_GRACE: Final = timedelta(minutes=10)
# Slack reads <, > and & as markup, links and mentions of everybody included.
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Alerts:
    """What fires after a run, and what ends with it."""

    firing: list[tuple[Labels, str, str, str]]
    ended: list[Labels]
    """Those that fire as well do not end."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who was reached."""

    notified: tuple[str, ...]
    """Names of receivers that got something."""
    failures: tuple[MeshlabError, ...]
    """Why others did not."""


@dataclass(frozen=True, slots=True)
class Notification(ABC):
    """A run on a timer, for those who want to know."""

    report: Scheduled
    at: datetime
    """When it ended; aware."""
    folder: str
    """The run's folder below that of all reports."""

    @property
    @abstractmethod
    def has_news(self) -> bool:
        """Whether anything is other than after the run before."""

    @abstractmethod
    def alerts(self, receiver: Receiver) -> Alerts:
        """For Alertmanager."""

    @abstractmethod
    def chat(self, receiver: Receiver) -> tuple[list[str], str, str]:
        """Lines of raw text, and the address and the words of a link; both empty for none."""

    @abstractmethod
    def document(self, receiver: Receiver) -> dict[str, Any]:
        """What a webhook gets besides the report's name and the time."""


def notify(receiver: Receiver, notification: Notification) -> bool:
    """Send a receiver what it wants to know.

    Returns
    -------
    bool
        Whether anything was sent.

    Raises
    ------
    ConfigError
        The receiver's address is not where it should be.
    ReportError
        It cannot be reached, or refuses. The address is in no message: it may be a secret.
    """
    if receiver.kind is Kind.ALERTMANAGER:
        alerts = _alerts(notification, notification.alerts(receiver))
        if alerts:
            post(f"notify.{receiver.name}", f"{receiver.address()}/api/v2/alerts", alerts)
        return bool(alerts)
    if receiver.on is On.CHANGE and not notification.has_news:
        return False
    body: dict[str, Any]
    if receiver.kind is Kind.SLACK:
        texts, link, words = notification.chat(receiver)
        text = "\n".join(chat(text) for text in texts).translate(_SLACK)
        body = {"text": text + (f"\n<{link}|{words}>" if link else "")}
    else:
        about = {"report": notification.report.name, "at": rfc_3339(notification.at)}
        body = {**about, **printable(notification.document(receiver))}
    post(f"notify.{receiver.name}", receiver.address(), body)
    return True


def notify_all(notification: Notification) -> Delivery:
    """Send all receivers of a report theirs: one that cannot be reached is no reason not to notify the others."""
    notified: list[str] = []
    failures: list[MeshlabError] = []
    for receiver in notification.report.notify:
        try:
            if notify(receiver, notification):
                notified.append(receiver.name)
        except MeshlabError as error:
            failures.append(error)
    return Delivery(tuple(notified), tuple(failures))


def notify_failure(notification: Notification, error: MeshlabError) -> MeshlabError:
    """Send all receivers that a run failed; the error that remains to be raised names those that were not reached."""
    failures = notify_all(notification).failures
    if not failures:
        return error
    return type(error)(f"{error.what}; and {'; '.join(failure.what for failure in failures)}", error.hint)


def labels(report: Scheduled, word: str, *, owner: str = "", **about: object) -> Labels:
    """The labels of an alert.

    Parameters
    ----------
    word : str
        A verdict, or ``ERROR`` for a run or a service without one.
    owner : str
        Empty where there is none.
    **about
        Question and subject.
    """
    name = "MeshlabReportFailed" if word == ERROR else "MeshlabVerdict"
    found = {"alertname": name, "report": report.name, "severity": _SEVERITY[word], **about}
    if owner:
        found["owner"] = owner
    if word != ERROR:
        found["verdict"] = word
    return {key: plain(value) for key, value in found.items()}


def rfc_3339(time: datetime) -> str:
    """A time as Alertmanager reads it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def _alerts(notification: Notification, alerts: Alerts) -> list[dict[str, Any]]:
    # An alert that is not repeated ends by itself: these last until the next run has had its time.
    at = notification.at
    until = at + notification.report.cron.longest_gap(at) + _GRACE
    found: list[dict[str, Any]] = []
    for own, summary, description, link in alerts.firing:
        texts = {"annotations": {"summary": plain(summary), "description": plain(description)}}
        found.append({**texts, "labels": own, "endsAt": rfc_3339(until), **({"generatorURL": link} if link else {})})
    active = [own for own, *_ in alerts.firing]
    times = {"startsAt": rfc_3339(at - timedelta(seconds=1)), "endsAt": rfc_3339(at)}
    return [*found, *({"labels": own, **times} for own in alerts.ended if own not in active)]
