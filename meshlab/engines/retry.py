"""When a question is asked again, and after which pause."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from requests import Response

__all__ = ["BUSY", "Retries", "is_busy", "is_json", "pause_asked_for"]

BUSY: Final = (429, 502, 503, 504)
_PAUSES_S: Final = (0.3, 0.6, 1.2)
_RESTART_PAUSES_S: Final = (*_PAUSES_S, 2.4, 4.8, 9.6)
"""For a server that answered before and now takes no connection."""
_LONGEST_PAUSE_S: Final = 30.0


@dataclass
class Retries:
    """The tries of one question, and the pauses between them.

    Parameters
    ----------
    patient : bool
        Whether to try more than once.
    """

    patient: bool
    tries: int = 0
    _pauses: tuple[float, ...] = field(default=_PAUSES_S, init=False)

    @property
    def pause(self) -> float | None:
        """Seconds until the next try; None when this was the last."""
        return self._pauses[self.tries - 1] if self.patient and self.tries <= len(self._pauses) else None

    def server_restarts(self) -> None:
        """From now on, other faults are waited for as long."""
        self._pauses = _RESTART_PAUSES_S


def is_json(response: Response) -> bool:
    """Whether a body says that it is JSON; VictoriaMetrics sends raw samples as application/stream+json."""
    kind = response.headers.get("Content-Type", "").split(";")[0].strip()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def is_busy(response: Response) -> bool:
    """Whether another try may help. A store's own 503 is a query that took too long: it would take as long again."""
    status = response.status_code
    return status in BUSY and not (status == 503 and is_json(response) and "Retry-After" not in response.headers)


def pause_asked_for(response: Response, otherwise: float) -> float | None:
    """Seconds to wait as the server says; None when that is longer than anyone waits.

    A date is compared with the server's own, whatever the clock here says.
    """
    header = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", header):
        asked = float(header[:12])
    else:
        try:
            until, now = (parsedate_to_datetime(text) for text in (header, response.headers.get("Date", "")))
            asked = (until.replace(tzinfo=until.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return otherwise
    return max(asked, otherwise) if asked <= _LONGEST_PAUSE_S else None
