"""A report as Prometheus metrics: for node_exporter's textfile collector, or the Pushgateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from meshlab.core import sanitize
from meshlab.core.results import NOT_MEASURED, SHAPES, Verdict

__all__ = ["exposition", "sweep_exposition"]

_Samples = Sequence[tuple[Mapping[str, str], float]]
_Group = tuple[str, str, _Samples]


def exposition(
    result: Mapping[str, Any],
    *,
    notebook: str,
    seconds: float,
    at_s: float,
    report: str = "",
    next_s: float | None = None,
) -> str:
    """Verdict, findings, duration and time of a run, in Prometheus's text format.

    Parameters
    ----------
    result : mapping
        The summary.
    notebook : str
        The notebook's name.
    seconds : float
        How long the run took.
    at_s : float
        When it ended, unix seconds.
    report : str
        The name of a report on a timer.
    next_s : float, optional
        When it is to run next, unix seconds.

    Returns
    -------
    str
        ``meshlab_verdict`` is 1 for the verdict that holds and 0 for the others, so that an alert can name one.
    """
    who = {"notebook": notebook, "question": result["question"], "subject": result["subject"]}
    who |= {"report": report} if report else {}
    standing = [f["verdict"] for f in result["findings"] if not f.get("waived")]
    counts = {word: standing.count(word) for word in SHAPES}
    aside = len(result["findings"]) - len(standing)
    return _written(
        ("verdict", "Whether this is the verdict of the last run.", _by_verdict(who, {result["verdict"]: 1}, Verdict)),
        ("findings", "Findings of the last run that are not waived.", _by_verdict(who, counts, counts)),
        ("findings_waived", "Findings of the last run that are waived.", [(who, aside)]),
        *_about_the_run(who, seconds, at_s, next_s),
    )


def sweep_exposition(
    records: Sequence[Mapping[str, Any]],
    *,
    report: str,
    question: str,
    seconds: float,
    at_s: float,
    next_s: float | None = None,
) -> str:
    """How many services have which verdict, and when a sweep ran.

    Parameters
    ----------
    records : sequence of mapping
        A row a service. They are counted, not named: a fleet's names are more series than a report is worth.
    report : str
        The name of the report on a timer.
    seconds, at_s, next_s : float
        As of `exposition`.
    """
    who = {"report": report, "question": question}
    counts, words = Counter(str(record["verdict"]) for record in records), (*Verdict, NOT_MEASURED, "ERROR")
    return _written(
        ("subjects", "Services of the last sweep by verdict.", _by_verdict(who, counts, words)),
        *_about_the_run(who, seconds, at_s, next_s),
    )


def _by_verdict(who: Mapping[str, str], counts: Mapping[str, int], words: Iterable[str]) -> _Samples:
    return [({**who, "verdict": str(word)}, counts.get(word, 0)) for word in words]


def _about_the_run(who: Mapping[str, str], seconds: float, at_s: float, next_s: float | None) -> Iterator[_Group]:
    yield "report_duration_seconds", "How long the last run took.", [(who, seconds)]
    yield "report_last_run_timestamp_seconds", "When the last run ended.", [(who, at_s)]
    if next_s is not None:
        yield "report_next_run_timestamp_seconds", "When the next run is due.", [(who, next_s)]


def _written(*groups: _Group) -> str:
    lines = []
    for name, text, samples in groups:
        lines += [f"# HELP meshlab_{name} {text}", f"# TYPE meshlab_{name} gauge"]
        for labels, value in samples:
            shown = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels.items())
            lines.append(f"meshlab_{name}{{{shown}}} {value:.17g}")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return sanitize.plain(value).replace("\\", "\\\\").replace('"', '\\"')
