"""What receivers are told of a sweep: each service that changed, and an alert for each that is not in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from meshlab.core.results import NOT_MEASURED, SHAPES
from meshlab.core.sanitize import plain
from meshlab.reports.schedules.entries import Kind, On, Receiver, Scheduled
from meshlab.reports.schedules.notices import SEVERITY, last_until, post, written
from meshlab.reports.sweep.judging import ERROR, folder_of
from meshlab.reports.waivers.waiving import in_words

__all__ = ["News", "Said", "tell"]

_WORST: Final = ("FAIL", ERROR, "INCONCLUSIVE", "WARN", "PASS", NOT_MEASURED)
_QUIET: Final = ("", "PASS", NOT_MEASURED)
_LONGEST: Final = 500
_LINES: Final = 20
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a service before.

    Parameters
    ----------
    verdict : str
        The last one; empty for none.
    owner : str
    failed : bool
        Whether it could not be judged the last time.
    """

    verdict: str
    owner: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """A run of a sweep, for those who want to know.

    Parameters
    ----------
    report : Scheduled
    at : datetime
        When it ended; aware.
    folder : str
        The run's folder below that of all reports.
    records : sequence of mapping or None
        A row a service; None when nobody was judged.
    before : mapping of str to Said
        By subject.
    error : str
        Why nobody was judged.
    """

    report: Scheduled
    at: datetime
    folder: str
    records: Sequence[Mapping[str, Any]] | None
    before: Mapping[str, Said]
    error: str = ""

    @property
    def word(self) -> str:
        """The worst verdict; ``ERROR`` when nobody was judged."""
        words = {str(record["verdict"]) for record in self.records or ()}
        return next((word for word in _WORST if word in words), NOT_MEASURED if self.records is not None else ERROR)

    @property
    def changed(self) -> list[Mapping[str, Any]]:
        """The services of which something else is said than before, the worst first; a first PASS is nothing new."""
        rows = [record for record in self.records or () if _moved(record, self.before.get(str(record["subject"])))]
        return sorted(rows, key=lambda row: (_WORST.index(str(row["verdict"])), str(row["subject"])))


def tell(receiver: Receiver, news: News) -> bool:
    """Tell one receiver, if it wants to know.

    Parameters
    ----------
    receiver : Receiver
    news : News

    Returns
    -------
    bool
        Whether it was told.

    Raises
    ------
    ConfigError
        Its address is not where it should be.
    ReportError
        It cannot be reached, or refuses.
    """
    if receiver.kind is Kind.ALERTMANAGER:
        alerts = _alerts(receiver, news)
        if alerts:
            post(receiver, f"{receiver.address()}/api/v2/alerts", alerts)
        return bool(alerts)
    if receiver.on is On.CHANGE and news.records is not None and not news.changed:
        return False
    post(
        receiver,
        receiver.address(),
        _slack(receiver, news) if receiver.kind is Kind.SLACK else _webhook(receiver, news),
    )
    return True


def _moved(record: Mapping[str, Any], then: Said | None) -> bool:
    word = str(record["verdict"])
    if then is None:
        return word not in _QUIET
    was = ERROR if then.failed else then.verdict
    return word != was and not {word, was} <= set(_QUIET)


def _alerts(receiver: Receiver, news: News) -> list[dict[str, Any]]:
    """What fires after this run, and what ends with it; of each service by itself."""
    whole = {"alertname": "MeshlabReportFailed", "report": news.report.name, "severity": SEVERITY[ERROR]}
    question = news.report.sweep.question if news.report.sweep else ""
    then = {s: said for s, said in news.before.items() if said.verdict not in _QUIET}
    fires: list[tuple[dict[str, str], dict[str, Any]]] = []
    ends: list[dict[str, str]] = []
    if news.records is None:
        # Nothing is known of the mesh: what fired goes on until it is known better.
        fires.append((whole, _annotated(plain(news.error), "nobody was judged", "")))
        fires += [
            (_labels(news, question, subject, said.verdict, said.owner), _annotated(news.error, "as before", ""))
            for subject, said in then.items()
        ]
        fires += [
            (_labels(news, question, subject, ERROR, ""), _annotated(news.error, "as before", ""))
            for subject, said in news.before.items()
            if said.failed
        ]
    else:
        ends.append(whole)
        for record in news.records:
            subject, word = str(record["subject"]), str(record["verdict"])
            if word in _QUIET:
                continue
            owner = "" if word == ERROR else str(record.get("owner", ""))
            about = _annotated(_said(record), _change(record, news.before.get(subject)), _page(receiver, news, record))
            fires.append((_labels(news, question, subject, word, owner), about))
            said = then.get(subject)
            if word == ERROR and said:
                fires.append((_labels(news, question, subject, said.verdict, said.owner), about))
        ends += [_labels(news, question, s, said.verdict, said.owner) for s, said in then.items()]
        ends += [_labels(news, question, s, ERROR, "") for s, said in news.before.items() if said.failed]
    firing = [labels for labels, _ in fires]
    until, began = written(last_until(news.report, news.at)), written(news.at - timedelta(seconds=1))
    return [{**about, "labels": labels, "endsAt": until} for labels, about in fires] + [
        {"labels": labels, "startsAt": began, "endsAt": written(news.at)} for labels in ends if labels not in firing
    ]


def _labels(news: News, question: str, subject: str, word: str, owner: str) -> dict[str, str]:
    labels = {
        "alertname": "MeshlabReportFailed" if word == ERROR else "MeshlabVerdict",
        "report": news.report.name,
        "severity": SEVERITY[word],
        "question": plain(question),
        "subject": plain(subject),
    }
    return {**labels, **({"owner": plain(owner)} if owner else {}), **({} if word == ERROR else {"verdict": word})}


def _annotated(summary: str, description: str, link: str) -> dict[str, Any]:
    texts = {"summary": plain(summary)[:_LONGEST], "description": plain(description)}
    return {"annotations": texts, **({"generatorURL": link} if link else {})}


def _slack(receiver: Receiver, news: News) -> dict[str, Any]:
    if news.records is None:
        lines = [f"‼ *{ERROR}* {news.report.name}: {plain(news.error)[:_LONGEST]}", "nobody was judged"]
    else:
        words = [str(record["verdict"]) for record in news.records]
        counts = ", ".join(f"{words.count(word)} {word}" for word in _WORST if word in words) or "no service was seen"
        lines = [f"{SHAPES.get(news.word, '‼')} *{news.word}* {news.report.name}: {counts}"]
        changed = news.changed
        lines += [_line(record, news) for record in changed[:_LINES]] or ["nothing changed"]
        if len(changed) > _LINES:
            lines.append(f"and {len(changed) - _LINES} more")
    # Slack reads <, > and & as markup, links and mentions of everybody included.
    text = "\n".join(line.translate(_SLACK) for line in lines)
    return {"text": text + (f"\n<{receiver.link}/{news.report.name}/index.html|the index>" if receiver.link else "")}


def _line(record: Mapping[str, Any], news: News) -> str:
    subject = str(record["subject"])
    owner = f" ({plain(record['owner'])})" if record.get("owner") else ""
    shape = SHAPES.get(str(record["verdict"]), "‼")
    return f"{shape} {plain(subject)}{owner} {_change(record, news.before.get(subject))}: {_said(record)}"


def _webhook(receiver: Receiver, news: News) -> dict[str, Any]:
    rows = [
        {
            "subject": plain(record["subject"]),
            "verdict": record["verdict"],
            "before": _before(news.before.get(str(record["subject"]))),
            "headline": _said(record),
            "owner": plain(record.get("owner", "")),
            "link": _page(receiver, news, record),
        }
        for record in news.changed
    ]
    words = [str(record["verdict"]) for record in news.records or ()]
    return {
        "schema": "meshlab.news/1",
        "report": news.report.name,
        "at": written(news.at),
        "verdict": news.word,
        "counts": {word: words.count(word) for word in _WORST if word in words},
        "changed": rows,
        "error": plain(news.error),
        "link": f"{receiver.link}/{news.report.name}/index.html" if receiver.link else "",
    }


def _said(record: Mapping[str, Any]) -> str:
    aside = in_words(record.get("result") or {})
    text = plain(f"{aside} {record.get('error') or record['headline']}".strip())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _before(then: Said | None) -> str | None:
    return None if then is None else ERROR if then.failed else then.verdict


def _change(record: Mapping[str, Any], then: Said | None) -> str:
    was, word = _before(then), str(record["verdict"])
    return f"is {word}" if was is None else f"is {word} as before" if was == word else f"was {was}, is {word}"


def _page(receiver: Receiver, news: News, record: Mapping[str, Any]) -> str:
    if not receiver.link or not record.get("page"):
        return ""
    return f"{receiver.link}/{news.folder}/subjects/{folder_of(record['subject'])}/report.html"
