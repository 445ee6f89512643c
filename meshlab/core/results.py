"""What a question answers: a verdict, the findings that carry it, and the tables behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.errors import ContractError

__all__ = ["INKS", "MIME_TYPE", "SCHEMA", "SHAPES", "Action", "Finding", "Result", "Verdict", "overall", "read_summary"]

SCHEMA: Final = "meshlab.result/2"
_EARLIER: Final = "meshlab.result/1"
MIME_TYPE: Final = "application/vnd.meshlab.result+json"
_LIMIT_BYTES: Final = 64 * 1024


class Verdict(StrEnum):
    """What a question's evidence says."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


NOT_MEASURED: Final = "NOT_MEASURED"
INFO: Final = "INFO"
"""The word of a finding that only informs and has nothing to warn about: a verdict does not rest on it, so no PASS."""

STATES: Final = ("", "ongoing", "over", "upcoming")

# A verdict is a word, a shape and a colour: never the colour alone. All inks reach 7:1 on white.
SHAPES: Final = {"PASS": "✔", "WARN": "▲", "FAIL": "✖", "INCONCLUSIVE": "◆", INFO: "•", NOT_MEASURED: "○"}
INKS: Final = {
    "PASS": "#00563f",
    "WARN": "#7a4b00",
    "FAIL": "#9c2a00",
    "INCONCLUSIVE": "#3d3d5c",
    INFO: "#24476b",
    NOT_MEASURED: "#555555",
}


class Action(str):
    """What to do: a sentence, and where there is one the command that does it.

    Parameters
    ----------
    text : str
        Imperative, one object, one setting; empty when nothing is to be done.
    command : str
        Such as ``kubectl argo rollouts abort catalog``.
    """

    __slots__ = ("command",)
    command: str

    def __new__(cls, text: str, command: str = "") -> Self:
        """A text that knows its command."""
        made = super().__new__(cls, text)
        made.command = command
        return made

    @classmethod
    def of(cls, text: str) -> Action:
        """The action, or a plain text as one without a command."""
        return text if isinstance(text, Action) else cls(text)

    @property
    def text(self) -> str:
        """The sentence alone."""
        return str(self)

    def to_dict(self) -> dict[str, str] | None:
        """The action as JSON values; None where nothing is to be done."""
        return {"text": str(self), "command": self.command} if self or self.command else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the evidence says.

    Parameters
    ----------
    code : str
        Stable and documented, such as ``ML-CAN-001``.
    key : str
        The message's key, such as ``canary.errors.fail``: tests and translations find the statement by it.
    verdict : Verdict or None
        What this finding alone says; None (``NOT_MEASURED``) when an optional part of the evidence is missing.
    subject : str
        What it is about: ``cluster/namespace/service``, an edge, a metric.
    statement : str
        One plain sentence with its numbers.
    required : bool
        Whether the verdict rests on it. Others inform.
    value, threshold : float or None
        In `unit`. None when there is none.
    interval : tuple of float or None
        Lower and upper end, in `unit`.
    level : float or None
        Confidence level of the interval, 0..1.
    unit : str
        Such as ``points`` (percentage points), ``ms``, ``share``.
    action : Action or str
        What to do; empty when nothing is to be done. A plain text becomes an `Action` without a command.
    query : str
        PromQL or selector that proves it.
    """

    code: str
    verdict: Verdict | None
    subject: str
    statement: str
    key: str = ""
    required: bool = True
    value: float | None = None
    interval: tuple[float, float] | None = None
    level: float | None = None
    threshold: float | None = None
    unit: str = ""
    action: str = ""
    query: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "action", Action.of(self.action))
        if self.required and self.verdict is None:
            raise ContractError(f"finding {self.code} is required, so it cannot be NOT_MEASURED: say INCONCLUSIVE")

    @property
    def word(self) -> str:
        """The verdict's word: ``NOT_MEASURED`` for none, ``INFO`` for a PASS that carries no verdict."""
        if self.verdict is None:
            return NOT_MEASURED
        return self.verdict.value if self.required or self.verdict is not Verdict.PASS else INFO

    def to_dict(self) -> dict[str, object]:
        """The finding as JSON values."""
        return {
            "code": self.code,
            "key": self.key,
            "verdict": self.word,
            "required": self.required,
            "subject": self.subject,
            "statement": self.statement,
            "value": _number(self.value),
            "interval": None if self.interval is None else [_number(x) for x in self.interval],
            "level": _number(self.level),
            "threshold": _number(self.threshold),
            "unit": self.unit,
            "action": Action.of(self.action).to_dict(),
            "query": self.query,
        }


def overall(findings: Iterable[Finding]) -> Verdict:
    """Join findings: FAIL, else INCONCLUSIVE, else WARN, else PASS. No required finding at all is INCONCLUSIVE.

    A finding that is not required can warn, and cannot fail or settle anything.
    """
    known = list(findings)
    required = {f.verdict for f in known if f.required}
    if not required:
        return Verdict.INCONCLUSIVE
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in required:
            return verdict
    return Verdict.WARN if any(f.verdict in (Verdict.WARN, Verdict.FAIL) for f in known) else Verdict.PASS


def read_summary(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored summary in today's form.

    Parameters
    ----------
    stored : mapping
        Of ``result.json``. One of ``meshlab.result/1`` gets what that form did not have: empty keys, actions in place
        of advice, and ``INFO`` for what only informed.

    Returns
    -------
    dict
        Of schema `SCHEMA`; a form that nobody knows stays as it is.
    """
    if stored.get("schema") != _EARLIER:
        return dict(stored)
    findings = stored.get("findings", [])
    if isinstance(findings, list):
        findings = [_read_finding(f) if isinstance(f, Mapping) else f for f in findings]
    added: dict[str, Any] = {"action": None, "state": "", "since": "", "doubts": [], "store": {}}
    return {**added, **stored, "schema": SCHEMA, "findings": findings}


def _read_finding(stored: Mapping[str, Any]) -> dict[str, Any]:
    advice = stored.get("advice", "")
    informs = stored.get("verdict") == Verdict.PASS and not stored.get("required", True)
    kept = {name: value for name, value in stored.items() if name != "advice"}
    action = {"text": advice, "command": ""} if advice else None
    return {"key": "", **kept, "action": action, **({"verdict": INFO} if informs else {})}


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A question's answer about one subject.

    Parameters
    ----------
    question : str
        The question's name, such as ``canary``.
    subject : str
        ``cluster/namespace/service``.
    verdict : Verdict
    headline : str
        One plain sentence with the numbers and their uncertainty.
    findings : sequence of Finding
    action : Action or str
        What to do first; empty when nothing is to be done.
    state : str
        Of what the headline tells: ``ongoing``, ``over``, ``upcoming``, or empty where that is not known.
    since : str
        When the state began, RFC 3339; empty where that is not known.
    doubts : sequence of str
        Why the evidence may not be complete, one sentence each.
    window : str
        The window, in words (UTC).
    source : str
        What the evidence was read from, free of secrets and paths.
    store : mapping of str to str
        What was found out about the store, for people: a few words by name.
    tables : mapping of str to DataFrame
        The frames behind the findings and figures.
    """

    question: str
    subject: str
    verdict: Verdict
    headline: str
    findings: Sequence[Finding]
    action: str = ""
    state: str = ""
    since: str = ""
    doubts: Sequence[str] = ()
    window: str = ""
    source: str = ""
    store: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tables: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))

    renderer: ClassVar[Callable[[Mapping[str, Any]], Mapping[str, str]] | None] = None
    """Turns a summary into ``text/plain`` and ``text/html``. `meshlab.display` puts itself here."""
    table_type: ClassVar[type[pd.DataFrame]] = pd.DataFrame
    """What tables are: `meshlab.display` gives a data frame that shows itself as everything else is shown."""
    last_shown: ClassVar[Result | None] = None
    """The one that was displayed last in this process: whoever runs a notebook asks it for its tables."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "action", Action.of(self.action))
        if self.state not in STATES:
            raise ContractError(f"the state of a result is {self.state!r}, not one of {', '.join(STATES[1:])}")
        object.__setattr__(self, "tables", {name: self.table_type(table) for name, table in self.tables.items()})

    def to_dict(self) -> dict[str, object]:
        """The summary: no tables, no versions, no run time, no paths; floats at 6 significant digits.

        Raises
        ------
        ContractError
            The JSON text is longer than 64 kB.
        """
        summary = self._summary()
        size = len(json.dumps(summary).encode())
        if size > _LIMIT_BYTES:
            raise ContractError(
                f"the result of {self.question} on {self.subject} has {size} bytes, over {_LIMIT_BYTES}"
            )
        return summary

    def _summary(self) -> dict[str, object]:
        return {
            "schema": SCHEMA,
            "question": self.question,
            "subject": self.subject,
            "verdict": self.verdict.value,
            "headline": self.headline,
            "action": Action.of(self.action).to_dict(),
            "state": self.state,
            "since": self.since,
            "doubts": list(self.doubts),
            "window": self.window,
            "source": self.source,
            "store": dict(self.store),
            "findings": [f.to_dict() for f in self.findings],
        }

    def parquet(self) -> Iterator[tuple[str, bytes]]:
        """Every table by its name, as the bytes of a Parquet file."""
        for name, table in self.tables.items():
            sink = BytesIO()
            table.to_parquet(sink, index=False, compression="zstd")
            yield name, sink.getvalue()

    def to_text(self) -> str:
        """Verdict, headline and a line a finding, for a terminal."""
        return self._rendered().get("text/plain", repr(self))

    def to_html(self) -> str:
        """The same as HTML, readable without a style sheet; empty where `meshlab.display` was not imported."""
        return self._rendered().get("text/html", "")

    def _rendered(self) -> Mapping[str, str]:
        render = type(self).renderer
        return render(self._summary()) if render else {}

    def __repr__(self) -> str:
        return plain(f"Result({self.question}, {self.subject}: {self.verdict.value}, {self.headline!r})")

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        Result.last_shown = self
        return {"text/plain": repr(self), **self._rendered(), MIME_TYPE: self.to_dict()}


def _number(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
