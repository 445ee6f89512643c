"""An examination for people and for programs."""

from __future__ import annotations

from typing import Any, Final

from meshlab.core.sanitize import plain
from meshlab.core.times import format_duration
from meshlab.doctor.examination import Examination, Service

__all__ = ["as_dict", "as_text"]

_SHOWN: Final = 10
_WIDE: Final = 11


def as_text(found: Examination) -> str:
    """Lines for a terminal, without colours; ends with the next command to type."""
    lines = [found.store.description, *_about(found)]
    if found.services:
        span = format_duration(found.window.end_ms - found.window.start_ms)
        lines += ["", f"services by requests in {span}", *_table(found.services)]
    if found.questions:
        lines += ["", "questions"]
        for asked in found.questions:
            lines.append(f"  {asked.notebook}  {asked.readiness.state.value}: {plain(asked.readiness.reason)}")
            lines += [f"    missing: {plain(m.what)}; {plain(m.remedy)}" for m in asked.readiness.missing]
    if found.problems:
        lines += ["", "problems", *(f"  {plain(problem)}" for problem in found.problems)]
    if found.skipped:
        lines += ["", "skipped", *(f"  {plain(text)}" for text in found.skipped)]
    if found.next and not found.problems:
        lines += ["", "next", f"  {found.next}"]
    lines += ["", f"{found.queries} queries"]
    return "\n".join(lines) + "\n"


def _about(found: Examination) -> list[str]:
    store = found.store
    time = f"{store.now:%Y-%m-%dT%H:%M:%SZ}"
    if store.skew_s is not None and store.is_skewed:
        side = "ahead of" if store.skew_s > 0 else "behind"
        time += f", {abs(store.skew_s):,.0f} s {side} this machine's clock; the store's time is used"
    rows = [("time", time)]
    history = [store.retention, store.reaches and f"samples seen {store.reaches} back"]
    rows.append(("history", ", ".join(filter(None, history)) or "unknown"))
    rows.append(("mesh", " and ".join(found.meshes) or "none recognised"))
    if found.scrapes:
        longest = format_duration(max(round(found.scrapes.longest_ms / 1000), 1) * 1000)
        every, least = found.scrapes.every_text, found.scrapes.range_text
        rows.append(("scrapes", f"every {every} (longest gap {longest}): use ranges of {least} or more in rate()"))
    return [f"  {name:<{_WIDE}}{plain(text)}" for name, text in rows]


def _table(services: tuple[Service, ...]) -> list[str]:
    shown = services[:_SHOWN]
    width = max(len(plain(s.subject)) for s in shown)
    lines = [f"  {plain(s.subject):<{width}}  {s.requests:>12,.0f}" for s in shown]
    more = len(services) - len(shown)
    return [*lines, f"  and {more:,} more"] if more else lines


def as_dict(found: Examination) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "source": found.source,
        "store": {
            "description": found.store.description,
            "now": found.store.now.isoformat(),
            "retention": found.store.retention or None,
            "reaches": found.store.reaches or None,
            "skew_s": found.store.skew_s,
        },
        "meshes": list(found.meshes),
        "scrape_interval_s": found.scrapes.every_ms / 1000 if found.scrapes else None,
        "services": [
            {"subject": str(s.subject), "host": s.host, "requests": float(f"{s.requests:.6g}")} for s in found.services
        ],
        "questions": [
            {
                "notebook": q.notebook,
                "state": q.readiness.state.value,
                "reason": q.readiness.reason,
                "missing": [{"what": m.what, "remedy": m.remedy} for m in q.readiness.missing],
                "command": q.command,
            }
            for q in found.questions
        ],
        "problems": list(found.problems),
        "skipped": list(found.skipped),
        "next": found.next if not found.problems else "",
        "queries": found.queries,
    }
