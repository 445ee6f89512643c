"""A report as Prometheus metrics: for node_exporter's textfile collector, or the Pushgateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshlab.core import sanitize
from meshlab.core.results import NOT_MEASURED, SHAPES, Verdict

__all__ = ["exposition", "sweep_exposition"]


def exposition(result: Mapping[str, Any], *, notebook: str, seconds: float, at_s: float, report: str = "") -> str:
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

    Returns
    -------
    str
        ``meshlab_verdict`` is 1 for the verdict that holds and 0 for the others, so that an alert can name one.
    """
    who = {"notebook": notebook, "question": result["question"], "subject": result["subject"]}
    who |= {"report": report} if report else {}
    standing = [f["verdict"] for f in result["findings"] if not f.get("waived")]
    counts = {word: standing.count(word) for word in SHAPES}
    aside = float(len(result["findings"]) - len(standing))
    groups = [
        (
            "meshlab_verdict",
            "Whether this is the verdict of the last run.",
            [({**who, "verdict": str(v)}, float(v == result["verdict"])) for v in Verdict],
        ),
        (
            "meshlab_findings",
            "Findings of the last run that are not waived.",
            [({**who, "verdict": word}, float(count)) for word, count in counts.items()],
        ),
        ("meshlab_findings_waived", "Findings of the last run that are waived.", [(who, aside)]),
        ("meshlab_report_duration_seconds", "How long the last run took.", [(who, seconds)]),
        ("meshlab_report_last_run_timestamp_seconds", "When the last run ended.", [(who, at_s)]),
    ]
    return _written(groups)


def sweep_exposition(
    records: Sequence[Mapping[str, Any]], *, report: str, question: str, seconds: float, at_s: float
) -> str:
    """How many services have which verdict, and when a sweep ran.

    Parameters
    ----------
    records : sequence of mapping
        A row a service. They are counted, not named: a fleet's names are more series than a report is worth.
    report : str
        The name of the report on a timer.
    question : str
    seconds, at_s : float
        As of `exposition`.
    """
    who = {"report": report, "question": question}
    verdicts = [str(record["verdict"]) for record in records]
    words = (*map(str, Verdict), NOT_MEASURED, "ERROR")
    return _written(
        [
            (
                "meshlab_subjects",
                "Services of the last sweep by verdict.",
                [({**who, "verdict": word}, float(verdicts.count(word))) for word in words],
            ),
            ("meshlab_report_duration_seconds", "How long the last run took.", [(who, seconds)]),
            ("meshlab_report_last_run_timestamp_seconds", "When the last run ended.", [(who, at_s)]),
        ]
    )


def _written(groups: Sequence[tuple[str, str, Sequence[tuple[Mapping[str, str], float]]]]) -> str:
    lines = []
    for name, text, samples in groups:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{_labels(labels)}}} {value:.17g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())


def _quoted(value: str) -> str:
    return sanitize.plain(value).replace("\\", "\\\\").replace('"', '\\"')
