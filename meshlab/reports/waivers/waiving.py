"""What waivers make of a report's verdict. Nothing is taken away: what is waived is shown, counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from meshlab.core.results import INFO, NOT_MEASURED, Finding, Verdict, overall
from meshlab.display.numbers import plural
from meshlab.reports.waivers.entries import Waiver, of_family

__all__ = ["count_line", "idle", "in_words", "notes", "used", "waive", "waived"]


def waive(
    result: Mapping[str, Any], known: Sequence[Waiver], *, at: datetime, note_idle: bool = True
) -> dict[str, Any]:
    """A summary in which waived findings no longer drive the verdict.

    Parameters
    ----------
    result : mapping
        The summary, as the notebook showed it.
    at : datetime
        Aware: which of them hold.
    note_idle : bool
        Whether waivers that match nothing here are noted; a sweep notes them once, for all of its subjects.

    Returns
    -------
    dict
        Unchanged where no waiver is of this question. Else with ``waivers``: ``without``, the verdict that the
        findings ask for; ``waived``, how many are; ``notes`` (expired, not needed) and ``idle`` (without a match).
        A waived finding has ``waived`` (``until``, ``reason``) and keeps its own word. What was not measured well
        enough is never waived.
    """
    findings = [dict(finding) for finding in result["findings"]]
    mine = of_family(known, [str(finding["code"]) for finding in findings])
    if not mine:
        return dict(result)
    due: list[str] = []
    unmatched: list[str] = []
    for waiver in mine:
        hit = [f for f in findings if waiver.covers(str(f["code"]), *_names(f, result))]
        note = _note(waiver, hit, at)
        if note and (hit or note_idle):
            (due if hit or not waiver.holds(at) else unmatched).append(note)
        for finding in hit if waiver.holds(at) else ():
            if finding["verdict"] in ("FAIL", "WARN") and "waived" not in finding:
                finding["waived"] = {"until": waiver.until, "reason": waiver.reason}
    verdict = str(result["verdict"])
    count = sum("waived" in finding for finding in findings)
    if count and _asked(findings, waived=False) == verdict:
        # A verdict that rests on more than its findings is not theirs to change.
        verdict = _asked(findings, waived=True)
    return {
        **result,
        "verdict": verdict,
        "findings": findings,
        "waivers": {"without": str(result["verdict"]), "waived": count, "notes": due, "idle": unmatched},
    }


def idle(known: Sequence[Waiver], results: Iterable[Mapping[str, Any]], *, at: datetime) -> list[str]:
    """Notes on waivers that match nothing in any of several reports."""
    reports = list(results)
    mine = of_family(known, [str(f["code"]) for result in reports for f in result["findings"]])
    return [_note(waiver, [], at) for waiver in mine if not any(used(waiver, result) for result in reports)]


def used(waiver: Waiver, result: Mapping[str, Any]) -> bool:
    """Whether a waiver matches any finding of a report."""
    return any(waiver.covers(str(f["code"]), *_names(f, result)) for f in result["findings"])


def waived(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The waived findings of a summary."""
    return [finding for finding in result.get("findings", ()) if finding.get("waived")]


def notes(result: Mapping[str, Any], *, brief: bool = False) -> list[str]:
    """Notes on the waivers: expired, not needed, or without a match.

    Parameters
    ----------
    brief : bool
        Whether several that match no finding are counted instead of named: those of other services, most often.
    """
    about = result.get("waivers", {})
    idle = list(about.get("idle", ()))
    if brief and len(idle) > 1:
        idle = [f"{len(idle)} waivers match no finding of this report"]
    return [*about.get("notes", ()), *idle]


def in_words(result: Mapping[str, Any]) -> str:
    """What the verdict would be without waivers, in brackets; empty where it would be the same."""
    about = result.get("waivers") or {}
    count = about.get("waived", 0)
    if not count or about.get("without") == result.get("verdict"):
        return ""
    return f"({about.get('without')} without {plural(count, 'waiver')})"


def count_line(result: Mapping[str, Any]) -> str:
    """``5 findings, 1 waived: ML-SEC-002 until 2027-01-31 (why)``; empty where none is."""
    findings = waived(result)
    if not findings:
        return ""
    each = dict.fromkeys(
        f"{f.get('code', '')} until {f['waived'].get('until', '')} ({f['waived'].get('reason', '')})" for f in findings
    )
    whole = len(result["findings"])
    return f"{plural(whole, 'finding')}, {len(findings)} waived: {'; '.join(each)}"


def _names(finding: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, str]:
    return str(finding.get("subject", "")), str(result["subject"])


def _note(waiver: Waiver, hit: Sequence[Mapping[str, Any]], at: datetime) -> str:
    """A note on a waiver; empty when it does what it is there for."""
    if not waiver.holds(at):
        return f"the waiver of {waiver} expired ({waiver.until}) and has no effect: {waiver.reason}"
    if not hit:
        return f"the waiver of {waiver} (until {waiver.until}) matches no finding"
    words = {str(finding["verdict"]) for finding in hit}
    if words & {"FAIL", "WARN"}:
        return ""
    if "INCONCLUSIVE" in words:
        return f"the waiver of {waiver} has no effect: what lacks data cannot be waived"
    word = "PASS" if words & {"PASS", INFO} else "not measured"
    return f"the waiver of {waiver} (until {waiver.until}) is not needed: the finding is {word}"


def _asked(findings: Sequence[Mapping[str, Any]], *, waived: bool) -> str:
    """The verdict that findings ask for."""
    return overall(
        Finding(
            code=str(f["code"]),
            verdict=_verdict(f, waived=waived),
            subject="",
            statement="",
            required=bool(f.get("required", True)) and f["verdict"] not in (INFO, NOT_MEASURED),
        )
        for f in findings
    ).value


def _verdict(finding: Mapping[str, Any], *, waived: bool) -> Verdict | None:
    if finding["verdict"] in (INFO, NOT_MEASURED):
        return None
    return Verdict.PASS if waived and "waived" in finding else Verdict(finding["verdict"])
