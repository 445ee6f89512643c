"""One subject, with the part of the evidence that speaks of it, and what a judge says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence, Missing
from meshlab.core.results import Action, Finding, Verdict
from meshlab.core.subject import Subject

__all__ = ["Case"]


@dataclass(slots=True, kw_only=True)
class Case:
    """What a judge is given: it asks nothing, and says what it finds with `finding`.

    Parameters
    ----------
    question, prefix : str
        Of whose question; the prefix begins the findings' codes.
    evidence : Evidence
        The subject's own part.
    settings : QuestionSettings
    subject : Subject or None
        None: the mesh, or the namespace that the settings name.
    unjudged : str
        Why there is nothing to judge, one sentence; empty where there is.
    due : bool
        Whether a verdict was due all the same: INCONCLUSIVE, and not just not measured.
    tables : dict of str to DataFrame
        Filled by the judge: the result's tables.
    """

    question: str
    prefix: str
    evidence: Evidence
    settings: Any
    subject: Subject | None = None
    unjudged: str = ""
    due: bool = False
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """The subject as text: ``cluster/namespace/service``, ``namespace shop`` or ``mesh``."""
        if self.subject is not None:
            return str(self.subject)
        namespace = getattr(self.settings, "namespace", "")
        return f"namespace {namespace}" if namespace else "mesh"

    def frame(self, name: str) -> pd.DataFrame:
        """A frame of the evidence (counts as their long frame); an empty one where it was not asked for."""
        if name in self.evidence.counts:
            return self.evidence.counts[name].frame
        frame = self.evidence.frames.get(name)
        return pd.DataFrame() if frame is None else frame

    def counts(self, name: str) -> Counts:
        """Counts of the evidence, by the need's name."""
        return self.evidence.counts[name]

    def empty(self, name: str) -> bool:
        """Whether a frame has no row, or counts no group."""
        counts = self.evidence.counts.get(name)
        return self.frame(name).empty if counts is None else counts.empty

    def query(self, name: str) -> str:
        """The PromQL behind a frame; empty where there is none."""
        query = self.evidence.queries.get(name)
        return query.promql if query else ""

    def missing(self, name: str) -> Missing | None:
        """What is missing of a frame, with how to enable it; None where it is there."""
        return self.evidence.missing.get(name)

    def finding(
        self,
        number: str,
        key: str,
        verdict: Verdict | None,
        statement: str,
        *,
        subject: object = "",
        required: bool = False,
        query: str = "",
        action: Action | str = "",
        **numbers: Any,
    ) -> Finding:
        """One thing that the evidence says.

        Parameters
        ----------
        number : str
            Of its code: ``001``.
        key : str
            Of its text: ``errors.fail``; the question's name is put before it.
        verdict : Verdict or None
            None: not measured.
        statement : str
            One sentence.
        subject : object
            What it is about; the case's own subject where it is not given.
        required : bool
            Whether the verdict rests on it.
        query : str
            The frame whose query proves it, or the query itself.
        action : Action or str
            What to do.
        **numbers
            ``value``, ``interval``, ``level``, ``threshold`` and ``unit``, as in `Finding`.
        """
        return Finding(
            code=f"{self.prefix}-{number}",
            key=f"{self.question}.{key}",
            verdict=verdict,
            subject=str(subject or self.about),
            statement=statement,
            required=required,
            query=self.evidence.queries[query].promql if query in self.evidence.queries else query,
            action=action,
            **numbers,
        )

    def warn_if(
        self, bad: object, number: str, key: str, statement: str, *, action: Action | str = "", **more: Any
    ) -> Finding:
        """A warning with its action where something is bad; else a pass, whose key ends in ``pass``."""
        if bad:
            return self.finding(number, key, Verdict.WARN, statement, action=action, **more)
        return self.finding(number, f"{key.rpartition('.')[0]}.pass", Verdict.PASS, statement, **more)

    def not_measured(self, number: str, key: str, statement: str, *, need: str = "", **more: Any) -> Finding:
        """An optional part that is missing, with how to enable it where a need says so."""
        lack = self.missing(need)
        action = more.pop("action", "") or (lack.remedy if lack else "")
        return self.finding(number, f"{key}.not_measured", None, statement, action=action, **more)
