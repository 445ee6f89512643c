"""The contract of a question: what it declares, and the one way in which it is asked and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import pandas as pd
from msgspec import Meta

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence
from meshlab.core.readiness import Readiness, State
from meshlab.core.results import Action, Finding, Result, Verdict, overall
from meshlab.core.settings import Settings
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.display.figures import Figure
from meshlab.errors import ParameterError
from meshlab.questions.base.case import Case
from meshlab.questions.base.completeness import doubtful, lacking, notes, unanswered
from meshlab.questions.base.needs import Asking, Code, Need, Table
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.outcomes import errors
from meshlab.telemetry.triage import Triage

__all__ = ["ErrorCodes", "Question", "QuestionSettings"]

ErrorCodes = Annotated[str, Meta(description="what counts as an error: codes, classes, gRPC statuses, flags")]
"""The setting ``error_codes`` of every question that counts errors; see `telemetry.outcomes.errors`."""


class QuestionSettings(Settings):
    """Settings of a question: type, range, default and meaning of each, declared once."""

    of_one_subject: ClassVar[tuple[str, ...]] = ("service",)
    """Settings that speak of one subject: a sweep over all refuses them."""

    def __post_init__(self) -> None:
        if (text := getattr(self, "error_codes", None)) is not None:
            errors(text)


class Question:
    """A question about a mesh. A subclass declares; everything else is done here.

    Attributes
    ----------
    name : str
        As the command line knows it, such as ``canary``.
    prefix : str
        Of its findings' codes, such as ``ML-CAN``.
    subject_kind : str
        ``service``: each is judged by itself. ``mesh``: the whole mesh (or a namespace) may be asked about as well.
    Settings : type of QuestionSettings
    needs : mapping of str to Need
        From the evidence's frames to what is asked of the mesh.
    codes : mapping of str to Code
        From the numbers of its findings to what they stand for.
    tables : mapping of str to Table
        The schemas of the result's tables.
    figures : sequence of callable
        From a result to a `Figure`; the first is the page's hero.
    explains : tuple of str
        Kinds of trouble (`doctor.burning`) about which the question says more.
    examples : mapping of str to value
        Defaults of the notebook's parameters, where those of the settings are no good example.
    """

    name: ClassVar[str]
    prefix: ClassVar[str]
    subject_kind: ClassVar[str] = "service"
    Settings: ClassVar[type[QuestionSettings]] = QuestionSettings
    needs: ClassVar[Mapping[str, Need]] = {}
    codes: ClassVar[Mapping[str, Code]] = {}
    tables: ClassVar[Mapping[str, Table]] = {}
    figures: ClassVar[Sequence[Callable[[Result], Figure]]] = ()
    explains: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[Mapping[str, Any]] = {}

    # ---- declared by a question ----

    def judge(self, case: Case) -> Iterator[Finding]:
        """Say what the evidence says about one subject; asks nothing, and fills `Case.tables`.

        Only called where every required need was answered.
        """
        raise NotImplementedError

    # ---- hooks with defaults ----

    @property
    def title(self) -> str:
        """The question in words: the first line of the class's docstring."""
        return (self.__doc__ or self.name).strip().splitlines()[0]

    def subject(self, mesh: Mesh, window: Window, settings: Any) -> Subject | None:
        """The subject that the settings name; None for all.

        Raises
        ------
        ParameterError
            It was never seen in this store, or the name is ambiguous.
        """
        service = getattr(settings, "service", "")
        return mesh.find(service, window, getattr(settings, "namespace", "")) if service else None

    def block_ms(self, asking: Asking) -> int:
        """The length of a block, milliseconds: a hundredth of the window, and at least one scrape."""
        given = 1000 * int(getattr(asking.settings, "block_s", 0))
        least = max(10_000, asking.mesh.probe.scrape_ms)
        return given or max(least, 1000 * min(asking.window.duration_ms // 100_000, 900))

    def stages(self, asking: Asking) -> Iterator[Mapping[str, Need]]:
        """What to ask, and what to ask after that: `asking.answers` holds what came of the earlier stages."""
        yield self.needs

    def facts(self, asking: Asking) -> Any:
        """What was found out while asking, as the question's own type; None for nothing."""
        return None

    def documents(self, settings: Any) -> Mapping[str, object]:
        """The files that the settings name, read: only collect reads files."""
        return {}

    def frames(self, asking: Asking) -> dict[str, pd.DataFrame]:
        """The evidence's frames, from the answers that are none in blocks: these stay counts unless they stand here."""
        return {name: answer.frame for name, answer in asking.answers.items() if not isinstance(answer, Counts)}

    def cases(self, evidence: Evidence, settings: Any) -> Iterator[Case]:
        """Whom to judge, where everybody was asked about: each called service with its own part, sorted by name.

        Frames that do not speak of services (autoscalers, pods) are left whole: only a question knows what is whose.
        """
        keys = list(IDENTITY)
        counts = {n: part.split(keys) for n, part in evidence.counts.items() if set(keys) <= set(part.words)}
        own = {name: frame for name, frame in evidence.frames.items() if set(keys) <= set(frame.columns)}
        rows: dict[str, dict[Any, Any]] = {
            name: dict(frame.groupby(keys, sort=False, observed=True).indices) if len(frame) else {}
            for name, frame in own.items()
        }
        for key in sorted({key for places in (*rows.values(), *counts.values()) for key in places}):
            cluster, place, service = map(str, key)
            if not service:
                # What names no service is a category with a count (`Mesh.nameless`), and nobody to be judged.
                continue
            subject = Subject(cluster, place, service)
            if getattr(settings, "namespace", "") not in ("", subject.namespace):
                continue
            cut = {name: frame.iloc[rows[name].get(key, [])].reset_index(drop=True) for name, frame in own.items()}
            part = {n: groups.get(key, evidence.counts[n].nothing()) for n, groups in counts.items()}
            own_part = replace(
                evidence,
                frames={**evidence.frames, **cut},
                counts={**evidence.counts, **part},
                subjects=(subject,),
            )
            yield self.case(own_part, settings)

    def verdict(self, findings: Sequence[Finding], case: Case) -> Verdict:
        """What the findings say together."""
        return overall(findings)

    def headline(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
        """The result in one sentence: what the worst required finding says."""
        worst = _worst(findings)
        return worst.statement if worst else "Nothing was measured."

    def action(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> Action | str:
        """What to do, from the worst required finding."""
        worst = _worst(findings)
        return worst.action if worst else ""

    def state(self, findings: Sequence[Finding], case: Case) -> tuple[str, str]:
        """Whether what the headline says is ``ongoing``, ``over`` or ``upcoming``, and since when."""
        return "", ""

    def suggest(self, triage: Triage, about: Subject | None = None) -> Readiness:
        """Whether the question can be asked of a store, and with which parameters: for the doctor.

        A question that looks at what a triage has already asked costs no query of its own. `about` is the service that
        is to be asked about; any will do where it is None.
        """
        mesh, window = triage.mesh, triage.window
        asking = Asking(mesh=mesh, window=window, settings=self.settings(), block_ms=window.duration_ms)
        required = {name: need for name, need in self.needs.items() if need.required and need.wanted(asking)}
        asking.answers.update({name: need.answer(asking) for name, need in required.items()})
        empty_needs = lacking(required, {name for name in required if asking.frame(name).empty})
        if empty_needs:
            missing = tuple(required[name].missing(mesh) for name in empty_needs)
            return Readiness(State.LACKING, f"{missing[0].what} are missing", missing)
        return Readiness(State.READY, "everything that it needs is exported")

    # ---- the mechanism ----

    def settings(self, **values: Any) -> Any:
        """Settings from values as typed, in a notebook, by papermill or in a file; checked.

        Raises
        ------
        ParameterError
            No such setting, a value of another type, or one out of its range.
        """
        return self.Settings.of(**values)

    def settings_from(self, names: Mapping[str, Any]) -> Any:
        """Settings from a notebook's names: ``question.settings_from(globals())``."""
        return self.settings(**{n: names[n] for n in self.Settings.__struct_fields__ if n in names})

    def settings_of_all(self, **values: Any) -> Any:
        """Settings of a sweep.

        Raises
        ------
        ParameterError
            A setting speaks of one subject.
        """
        for name in self.Settings.of_one_subject:
            if values.get(name):
                raise ParameterError(
                    f"{name} is about one subject, and a sweep asks about all",
                    "leave it out, or use meshlab report for one service",
                )
        return self.settings(**values)

    def collect(self, mesh: Mesh, window: Window, settings: Any = None) -> Evidence:
        """Ask the mesh, once for every subject in scope; judges nothing.

        Parameters
        ----------
        mesh : Mesh
        window : Window
        settings : QuestionSettings, optional
            Those that name a service ask about it alone.

        Returns
        -------
        Evidence
            A frame for every need that was asked.

        Raises
        ------
        ParameterError
            The subject was never seen in this store, its name is ambiguous, or a file cannot be read.
        EngineError
            The store did not answer.
        """
        settings = self.settings() if settings is None else settings
        documents = self.documents(settings)
        mesh = mesh.at(window)
        subject = self.subject(mesh, window, settings)
        asking = Asking(mesh=mesh, window=window, settings=settings, subject=subject)
        asking = replace(asking, block_ms=self.block_ms(asking))
        asked: dict[str, Need] = {}
        for needs in self.stages(asking):
            for name, need in needs.items():
                if need.wanted(asking):
                    asked[name] = need
                    asking.answers[name] = need.answer(asking)
        frames = self.frames(asking)
        counts = {n: a for n, a in asking.answers.items() if isinstance(a, Counts) and n not in frames}
        empty = {n for n in asked if (counts[n].empty if n in counts else frames[n].empty)}
        return Evidence(
            frames=frames,
            counts=counts,
            window=window,
            subjects=(subject,) if subject else (),
            source=f"{mesh.source} ({mesh.name})",
            block_ms=asking.block_ms,
            queries={name: answer.query for name, answer in asking.answers.items()},
            missing={n: need.missing(mesh) for n, need in asked.items() if need.what and n in empty},
            facts=self.facts(asking),
            documents=documents,
            store={**mesh.probe.facts, **notes(asking)},
            store_doubts=mesh.probe.doubts,
        )

    def case(self, evidence: Evidence, settings: Any, **more: Any) -> Case:
        """Evidence about one subject (or the whole mesh) as a case."""
        subject = evidence.subjects[0] if evidence.subjects else None
        given = {"subject": subject, **more}
        return Case(question=self.name, prefix=self.prefix, evidence=evidence, settings=settings, **given)

    def case_of(self, evidence: Evidence, settings: Any, subject: Subject | None = None) -> Case:
        """The case of one subject.

        Raises
        ------
        ParameterError
            The evidence does not speak of it, or no subject is named and the question is about one.
        """
        if subject is not None and evidence.subjects != (subject,):
            found = next((case for case in self.cases(evidence, settings) if case.subject == subject), None)
            if found is None:
                raise ParameterError(f"{subject} was not seen in this window", "ask about a longer window")
            return found
        if not evidence.subjects and self.subject_kind == "service":
            raise ParameterError("service is not given", 'write service = "..."')
        return self.case(evidence, settings)

    def answer(self, evidence: Evidence, settings: Any = None, subject: Subject | None = None) -> Result:
        """The result: what notebook, report, sweep, explorer and tests all call.

        Parameters
        ----------
        evidence : Evidence
        settings : QuestionSettings, optional
        subject : Subject, optional
            Of the evidence about all; the one that was asked about (or the mesh) where it is not given.

        Raises
        ------
        ParameterError
            No such subject, or a file that was given says nothing of this question.
        """
        return self.result(self.case_of(evidence, self.settings() if settings is None else settings, subject))

    def result(self, case: Case) -> Result:
        """Judge a case; where required evidence is missing or partial, the verdict is INCONCLUSIVE."""
        findings = [*unanswered(case, self.needs)]
        if not findings:
            findings = [*self.judge(case)]
        whole = self.verdict(findings, case)
        findings += doubtful(case)
        verdict = self.verdict(findings, case)
        doubted = verdict is not whole
        state, since = self.state(findings, case)
        return Result(
            question=self.name,
            subject=case.about,
            verdict=verdict,
            headline=findings[-1].statement if doubted else self.headline(verdict, findings, case),
            findings=findings,
            window=str(case.evidence.window),
            source=case.evidence.source,
            action=findings[-1].action if doubted else self.action(verdict, findings, case),
            state=state,
            since=since,
            doubts=case.evidence.doubts,
            store=case.evidence.store,
            tables=self._tables(case),
        )

    def draw(self, result: Result) -> list[Figure]:
        """The figures of a result; the first is the page's hero. What they mark is in the tables."""
        return [make(result) for make in self.figures]

    def _tables(self, case: Case) -> dict[str, pd.DataFrame]:
        undeclared = {name: frame for name, frame in case.tables.items() if name not in self.tables}
        shaped = {
            name: table.shaped(case.tables[name], name) if name in case.tables else table.empty()
            for name, table in self.tables.items()
        }
        return {**shaped, **undeclared}


def _worst(findings: Sequence[Finding]) -> Finding | None:
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS)
    required = [finding for finding in findings if finding.required]
    return next((finding for verdict in order for finding in required if finding.verdict is verdict), None)
