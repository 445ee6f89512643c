"""Numbers and phrases that several findings share."""

from __future__ import annotations

__all__ = ["interval_text", "percent", "wait_text"]


def percent(share: float) -> str:
    """A share in per cent, two digits after the point."""
    return f"{100 * share:.2f} %"


def interval_text(level: float, lower: float, upper: float, digits: str = "+.2f") -> str:
    """An interval with its level, such as ``98 % interval +0.10 to +0.80``."""
    return f"{100 * level:g} % interval {lower:{digits}} to {upper:{digits}}"


def wait_text(what: str, minutes: float) -> str:
    """What to wait for, and about how long that takes at today's rate."""
    return f"Wait for {what} ({f'about {minutes:,.0f} min' if minutes >= 1 else 'under a minute'})."
