"""What receivers get of a sweep on a timer: each service that changed, and an alert for each that is not in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshlab.core.results import NOT_MEASURED, SHAPES
from meshlab.core.sanitize import shortened
from meshlab.reports.schedules.entries import Receiver
from meshlab.reports.schedules.notifications import Alerts, Labels, Notification, labels
from meshlab.reports.sweep.judging import ERROR, WORST, folder_of
from meshlab.reports.waivers.waiving import in_words

__all__ = ["NotificationState", "SweepNotification"]

_QUIET: Final = ("", "PASS", NOT_MEASURED)
_LONGEST: Final = 500
_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class NotificationState:
    """What receivers know of a service."""

    verdict: str
    """The last one; empty for none."""
    owner: str = ""
    failed: bool = False
    """Whether it could not be judged the last time."""

    @property
    def word(self) -> str:
        """The last word: the verdict, or ``ERROR``."""
        return ERROR if self.failed else self.verdict


@dataclass(frozen=True, slots=True)
class SweepNotification(Notification):
    """A run of a sweep."""

    records: Sequence[Mapping[str, Any]] | None
    """A row a service; None when nobody was judged."""
    before: Mapping[str, NotificationState]
    """By subject."""
    error: str = ""
    """Why nobody was judged."""

    @property
    def word(self) -> str:
        """The worst verdict; ``ERROR`` when nobody was judged."""
        words = {str(record["verdict"]) for record in self.records or ()}
        return next((word for word in WORST if word in words), NOT_MEASURED if self.records is not None else ERROR)

    @property
    def changed(self) -> list[Mapping[str, Any]]:
        """The services whose word is another one than before, the worst first; a first PASS is no news."""
        rows = [record for record in self.records or () if self._has_changed(record)]
        return sorted(rows, key=lambda row: (WORST.index(str(row["verdict"])), str(row["subject"])))

    @property
    def has_news(self) -> bool:
        """Whether a service changed, or nobody was judged."""
        return self.records is None or bool(self.changed)

    def alerts(self, receiver: Receiver) -> Alerts:
        """Of each service by itself. Where nothing is known of one, what fired goes on."""
        whole = labels(self.report, ERROR)
        fired = [own for subject, state in self.before.items() for own in self._fired(subject, state)]
        if self.records is None:
            again = [(own, self.error, "as before", "") for own in fired]
            return Alerts([(whole, self.error, "no service was judged", ""), *again], [])
        firing = []
        for record in self.records:
            subject, word = str(record["subject"]), str(record["verdict"])
            if word in _QUIET:
                continue
            state = self.before.get(subject)
            own = [self._labels(subject, word, "" if word == ERROR else str(record.get("owner", "")))]
            if word == ERROR and state:
                own += self._fired(subject, NotificationState(state.verdict, state.owner))
            texts = (_headline(record), _change(record, state), self._page(receiver, record))
            firing += [(each, *texts) for each in own]
        return Alerts(firing, [whole, *fired])

    def chat(self, receiver: Receiver) -> tuple[list[str], str, str]:
        """Counts, then a line for each service that changed."""
        name = self.report.name
        if self.records is None:
            texts = [f"‼ *{ERROR}* {name}: {shortened(self.error, _LONGEST)}", "no service was judged"]
        else:
            counts = ", ".join(f"{count} {word}" for word, count in self._counts().items())
            texts = [f"{SHAPES.get(self.word, '‼')} *{self.word}* {name}: {counts or 'there was no service'}"]
            changed = self.changed
            texts += [self._line(record) for record in changed[:_LINES]] or ["nothing changed"]
            texts += [f"and {len(changed) - _LINES} more"] if len(changed) > _LINES else []
        return texts, self._index(receiver), "the index"

    def document(self, receiver: Receiver) -> dict[str, Any]:
        """Counts, and the services that changed with their pages."""
        before = {subject: state.word for subject, state in self.before.items()}
        rows = [
            {
                **{name: record.get(name, "") for name in ("subject", "verdict", "owner")},
                "before": before.get(str(record["subject"])),
                "headline": _headline(record),
                "link": self._page(receiver, record),
            }
            for record in self.changed
        ]
        return {
            "schema": "meshlab.news/1",
            "verdict": self.word,
            "counts": self._counts(),
            "changed": rows,
            "error": self.error,
            "link": self._index(receiver),
        }

    def _has_changed(self, record: Mapping[str, Any]) -> bool:
        word, state = str(record["verdict"]), self.before.get(str(record["subject"]))
        before = state.word if state else ""
        return word != before and not {word, before} <= set(_QUIET)

    def _fired(self, subject: str, state: NotificationState) -> list[Labels]:
        """The alerts that a service had."""
        own = [self._labels(subject, state.verdict, state.owner)] if state.verdict not in _QUIET else []
        return [*own, self._labels(subject, ERROR)] if state.failed else own

    def _labels(self, subject: str, word: str, owner: str = "") -> Labels:
        question = self.report.sweep.question if self.report.sweep else ""
        return labels(self.report, word, owner=owner, question=question, subject=subject)

    def _counts(self) -> dict[str, int]:
        words = [str(record["verdict"]) for record in self.records or ()]
        return {word: words.count(word) for word in WORST if word in words}

    def _line(self, record: Mapping[str, Any]) -> str:
        subject, shape = str(record["subject"]), SHAPES.get(str(record["verdict"]), "‼")
        owner = f" ({record['owner']})" if record.get("owner") else ""
        return f"{shape} {subject}{owner} {_change(record, self.before.get(subject))}: {_headline(record)}"

    def _page(self, receiver: Receiver, record: Mapping[str, Any]) -> str:
        if not receiver.link or not record.get("page"):
            return ""
        return f"{receiver.link}/{self.folder}/subjects/{folder_of(record['subject'])}/report.html"

    def _index(self, receiver: Receiver) -> str:
        return f"{receiver.link}/{self.report.name}/index.html" if receiver.link else ""


def _headline(record: Mapping[str, Any]) -> str:
    text = f"{in_words(record.get('result') or {})} {record.get('error') or record['headline']}"
    return shortened(text.strip(), _LONGEST)


def _change(record: Mapping[str, Any], state: NotificationState | None) -> str:
    word = str(record["verdict"])
    if not state or state.word == word:
        return f"is {word} as before" if state else f"is {word}"
    return f"was {state.word}, is {word}"
