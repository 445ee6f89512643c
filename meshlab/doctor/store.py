"""What answers, how far back, how often it scrapes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.core.times import format_duration
from meshlab.doctor.budget import BudgetedEngine
from meshlab.errors import BadQuery, Refused

__all__ = ["Store", "look"]

_DEPTHS: Final = ("1h", "1d", "7d", "30d")
_SKEW_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Store:
    """What answered.

    Parameters
    ----------
    description : str
        Kind, version and address.
    now : datetime
        Its own time.
    retention : str
        What it keeps, as it reports; empty where it does not.
    reaches : str
        How far back samples reach at least, such as ``7d``; empty where there are none.
    skew_s : float or None
        By how much its clock is ahead of this machine's; None where nobody compared.
    """

    description: str
    now: datetime
    retention: str
    reaches: str
    skew_s: float | None

    @property
    def is_skewed(self) -> bool:
        """Whether its clock is off by more than a minute."""
        return self.skew_s is not None and abs(self.skew_s) > _SKEW_S


def look(engine: BudgetedEngine, here: datetime | None) -> Store:
    """Ask a store about itself: at most three queries.

    Parameters
    ----------
    engine : BudgetedEngine
    here : datetime or None
        This machine's time, to compare.

    Raises
    ------
    Unreachable, Refused
        Nobody answers, or it does not answer as Prometheus.
    """
    now = engine.now()
    span = engine.span()
    if span is not None:
        length = format_duration(round((span[1] - span[0]).total_seconds()) * 1000)
        return Store(engine.description, now, f"{length} recorded", "", None)
    info = engine.status("/api/v1/status/runtimeinfo")
    kept = plain(str(info.get("storageRetention", "")))[:60]
    retention = f"keeps {kept}" if kept else ""
    skew = (now - here).total_seconds() if here is not None else None
    return Store(engine.description, now, retention, _reaches(engine, now), skew)


def _reaches(engine: BudgetedEngine, now: datetime) -> str:
    parts = (f'label_replace(count(up offset {ago}), "ago", "{ago}", "", "")' for ago in _DEPTHS)
    try:
        found = engine.query(" or ".join(parts), now)
    except (BadQuery, Refused):
        return ""
    seen = set(found.labels["ago"]) if "ago" in found.labels else set()
    return next((ago for ago in reversed(_DEPTHS) if ago in seen), "")
