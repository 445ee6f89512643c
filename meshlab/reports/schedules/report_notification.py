"""What receivers get of a report on a timer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshlab.core.results import SHAPES
from meshlab.core.sanitize import shortened
from meshlab.reports.render.message import changes
from meshlab.reports.schedules.entries import Receiver
from meshlab.reports.schedules.notifications import Alerts, Labels, Notification, labels
from meshlab.reports.sweep.judging import ERROR
from meshlab.reports.waivers.waiving import in_words

__all__ = ["ReportNotification"]

_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class ReportNotification(Notification):
    """A run of a report."""

    result: Mapping[str, Any] | None
    """The summary; None when there is no verdict."""
    before: Mapping[str, Any] | None
    """That of the run before; None for the first one, or where it had none."""
    error: str = ""
    """Why there is no verdict."""

    @property
    def word(self) -> str:
        """The verdict, or ``ERROR``."""
        return str(self.result["verdict"]) if self.result else ERROR

    @property
    def has_news(self) -> bool:
        """Whether the verdict is another one; a first run that is not PASS is news."""
        return self.word != (str(self.before["verdict"]) if self.before else "PASS")

    def alerts(self, receiver: Receiver) -> Alerts:
        """The verdict, unless it is PASS; what fired before ends, unless nothing is known."""
        failed = labels(self.report, ERROR)
        earlier = self._labels(self.before)
        active = self._labels(self.result) if self.result else [failed, *earlier]
        texts = (self._headline, "; ".join(self._changes), self._link(receiver))
        return Alerts([(own, *texts) for own in active], [failed, *earlier] if self.result else [])

    def chat(self, receiver: Receiver) -> tuple[list[str], str, str]:
        """Verdict and headline, then what changed."""
        word = f"*{self.word}* {in_words(self.result or {})}".rstrip()
        owner = f"; owner {self.result['owner']}" if self.result and self.result.get("owner") else ""
        first = f"{SHAPES.get(self.word, '!')} {word} {self.report.name}: {self._headline}"
        return [first, "; ".join(self._changes) + owner], self._link(receiver), "the report"

    def document(self, receiver: Receiver) -> dict[str, Any]:
        """All there is."""
        return {
            "schema": "meshlab.notice/1",
            "verdict": self.word,
            "before": str(self.before["verdict"]) if self.before else None,
            "headline": self._headline,
            "changes": self._changes,
            "link": self._link(receiver),
            "result": self.result,
        }

    def _labels(self, result: Mapping[str, Any] | None) -> list[Labels]:
        if not result or result["verdict"] == "PASS":
            return []
        about = {"question": result["question"], "subject": result["subject"], "owner": str(result.get("owner", ""))}
        return [labels(self.report, str(result["verdict"]), **about)]

    @property
    def _headline(self) -> str:
        return shortened(self.result["headline"] if self.result else self.error, _LONGEST)

    @property
    def _changes(self) -> list[str]:
        return changes(self.result, self.before) if self.result else ["there is no verdict"]

    def _link(self, receiver: Receiver) -> str:
        return f"{receiver.link}/{self.folder}/report.html" if receiver.link and self.result else ""
