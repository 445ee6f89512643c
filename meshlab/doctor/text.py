"""An examination for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from meshlab.core.readiness import State
from meshlab.core.sanitize import plain
from meshlab.display.numbers import duration, plural
from meshlab.doctor.burning import Burning
from meshlab.doctor.examination import Examination, Service
from meshlab.doctor.profile import profile

__all__ = ["as_dict", "as_text"]

_SHOWN: Final = 10
_WIDE: Final = 15
_WORST: Final = 5


def as_text(found: Examination) -> str:
    """Lines for a terminal, without colours; ends with the next command to type."""
    lines = [found.store.description, *_about(found)]
    if doubts := found.probe.doubts:
        lines += ["", "doubts: the evidence may not be complete", *(f"  {plain(doubt)}" for doubt in doubts)]
    span = duration(found.window.duration_s)
    if found.burning:
        lines += ["", f"burning in {span}, the worst of each kind", *_burning(found.burning)]
    if found.services or found.nameless:
        lines += ["", f"services by requests in {span}", *_table(found.services)]
        if found.nameless >= 1:
            lines.append(f"  outside or without a name: {found.nameless:,.0f} requests, which belong to no service")
    if found.questions:
        lines += ["", "questions"]
        for asked in found.questions:
            lines.append(f"  {asked.notebook}  {asked.readiness.state.value}: {plain(asked.readiness.reason)}")
            lines += [f"    missing: {plain(m.what)}; {plain(m.remedy)}" for m in asked.readiness.missing]
            lines += [f"    {asked.command}"] if asked.readiness.state is not State.LACKING else []
    if found.problems:
        lines += ["", "problems", *(f"  {plain(problem)}" for problem in found.problems)]
    if found.skipped:
        lines += ["", "skipped", *(f"  {plain(text)}" for text in found.skipped)]
    if lines_of_profile := profile(found.source, found.labels):
        lines += ["", "meshlab.toml, which says the same", *(f"  {plain(line)}" for line in lines_of_profile)]
    if found.next and not found.problems:
        lines += ["", "next", f"  {found.next}"]
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
    rows += [(name.lower(), text) for name, text in found.probe.facts.items()]
    if found.probe.range_text:
        rows.append(("rates", f"use ranges of {found.probe.range_text} or more in rate()"))
    rows += [("counting", "; ".join(found.notes))] if found.notes else []
    rows.append(("asked", plural(found.queries, "query", "queries")))
    return [f"  {name:<{_WIDE}} {plain(text)}" for name, text in rows]


def _burning(found: Sequence[Burning]) -> list[str]:
    """The worst of each kind, and how many more there are."""
    lines = []
    width = max(len(plain(each.subject)) for each in found)
    for kind in dict.fromkeys(each.kind for each in found):
        mine = [each for each in found if each.kind == kind]
        lines += [f"  {kind:<{_WIDE}} {plain(e.subject):<{width}}  {e.text}" for e in mine[:_WORST]]
        more = len(mine) - _WORST
        lines += [f"  {kind:<{_WIDE}} and {more:,} more"] if more > 0 else []
    return lines


def _table(services: tuple[Service, ...]) -> list[str]:
    shown = services[:_SHOWN]
    if not shown:
        return []
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
        "scrape_interval_s": found.probe.scrape_ms / 1000 or None,
        "lag_s": found.probe.lag_ms / 1000,
        "telemetry": found.probe.facts,
        "labels": dict(found.labels),
        "doubts": list(found.probe.doubts),
        "notes": list(found.notes),
        "burning": [
            {"kind": b.kind, "subject": str(b.subject), "text": b.text, "severity": float(f"{b.severity:.3g}")}
            for b in found.burning
        ],
        "nameless_requests": float(f"{found.nameless:.6g}"),
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
