"""The canary question: how it is asked, and what is judged in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec
import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence, Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.results import Finding, Verdict, overall
from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.errors import ParameterError
from meshlab.questions.base import Action, Asking, Case, Need, Question
from meshlab.questions.canary import arm_selection, plot
from meshlab.questions.canary.arm_selection import DIMENSIONS, FEWER, VERSION, ArmSelection, arms_of
from meshlab.questions.canary.bayesian import beliefs
from meshlab.questions.canary.candidates import candidates
from meshlab.questions.canary.codes import CODES
from meshlab.questions.canary.comparable import comparable
from meshlab.questions.canary.durations import durations
from meshlab.questions.canary.error_rate import burst_finding, error_finding, error_rate
from meshlab.questions.canary.headline import decisive, headline
from meshlab.questions.canary.latency import latency, latency_finding, quantiles
from meshlab.questions.canary.lost import lost_finding, without_waiting
from meshlab.questions.canary.multiple_testing import failing_metrics
from meshlab.questions.canary.needs import COUNTS, DURATIONS, by_arm
from meshlab.questions.canary.outcomes import arm_table, code_table
from meshlab.questions.canary.pods import pods, pods_finding
from meshlab.questions.canary.power import power, power_finding
from meshlab.questions.canary.quality import coverage_finding, mode_finding, reporters_finding, split_finding
from meshlab.questions.canary.segments import segment_finding, segments
from meshlab.questions.canary.settings import CanarySettings, Mode
from meshlab.questions.canary.slow import slow, slow_finding
from meshlab.questions.canary.tables import TABLES
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.triage import Triage

__all__ = ["Canary", "Facts"]

_LEAST_BLOCK_S: Final = 15
ARMS: Final = {"baseline": "v1", "canary": "v2"}
"""An example."""


class Facts(msgspec.Struct, frozen=True):
    """What was found out while asking.

    Parameters
    ----------
    arms : ArmSelection or None
        Which arms are compared; None where all services were asked about.
    latency_reporter : str
        The side at which durations were counted.
    """

    arms: ArmSelection | None = None
    latency_reporter: str = "destination"


class Canary(Question):
    """Is the canary good?"""

    name, prefix = "canary", "ML-CAN"
    Settings = CanarySettings
    needs: ClassVar[Mapping[str, Need]] = {**COUNTS, **DURATIONS}
    codes = CODES
    explains = ("errors",)
    tables = TABLES
    figures = (plot.error_difference, plot.error_evidence, plot.latency_over_time, plot.latency_by_edge)
    examples: ClassVar[Mapping[str, Any]] = {"source": "canary-regression", "service": "catalog", **ARMS}

    def subject(self, mesh: Mesh, window: Window, settings: CanarySettings) -> Subject | None:
        """The service that is named, together with the services that may be its arms."""
        if not settings.service:
            return None
        try:
            subject = mesh.find(settings.service, window, settings.namespace)
        except ParameterError:
            # Two services may be arms of something that is no service itself.
            if settings.arm_by != "service" or not settings.baseline:
                raise
            arms = (settings.baseline, settings.canary)
            first, second = (mesh.find(arm, window, settings.namespace) for arm in arms)
            if (first.cluster, first.namespace) != (second.cluster, second.namespace):
                raise
            return dataclasses.replace(first, service=settings.service, spans=(*first.services, *second.services))
        related = arm_selection.related_services(settings, subject)
        return mesh.with_related_services(subject, related, window)

    def settings_of_all(self, **values: Any) -> CanarySettings:
        """Settings of a sweep, which compares versions."""
        if values.get("arm_by") not in (None, "", "version"):
            raise ParameterError(f"arm_by is {values['arm_by']!r}, and a sweep compares versions", "leave it out")
        settings: CanarySettings = super().settings_of_all(**values)
        return settings

    def block_ms(self, asking: Asking) -> int:
        """Two scrapes, at least 15 s; whole seconds."""
        return 1000 * (asking.settings.block_s or max(_LEAST_BLOCK_S, -(-2 * asking.mesh.probe.scrape_ms // 1000)))

    def case(self, evidence: Evidence, settings: CanarySettings, **more: Any) -> Case:
        """A case whose settings say how long the evidence's blocks are."""
        block_s = settings.block_s or evidence.block_ms // 1000 or _LEAST_BLOCK_S
        return super().case(evidence, msgspec.structs.replace(settings, block_s=block_s), **more)

    def stages(self, asking: Asking) -> Iterator[Mapping[str, Need]]:
        """Requests, then durations: these are asked by what tells the arms apart, which the requests may show."""
        subject, settings, mesh = asking.subject, asking.settings, asking.mesh
        if subject and settings.baseline:
            labels = mesh.combinations(subject, asking.window, DIMENSIONS)
            asking.facts["arms"] = arm_selection.named_arms(labels, settings, subject, mesh.source)
        yield COUNTS
        if subject and not settings.baseline:
            counts = [asking.frame(name) for name in COUNTS]
            asking.facts["arms"] = arm_selection.find_arms(counts, settings.arm_by, subject, mesh.source)
        yield DURATIONS

    def frames(self, asking: Asking) -> dict[str, pd.DataFrame]:
        """Requests and durations by arm, restarts by pod."""
        arms: ArmSelection | None = asking.facts.get("arms")
        dimension = arms.dimension if arms else VERSION
        answers = asking.answers.items()
        return {name: by_arm(a, dimension) if isinstance(a, Counts) else a.frame for name, a in answers}

    def facts(self, asking: Asking) -> Facts:
        """The arms, and where durations were counted."""
        return Facts(**asking.facts)

    def cases(self, evidence: Any, settings: CanarySettings) -> Iterator[Case]:
        """Services that serve two versions: those that are named, else those found.

        A service with one version has no canary, so nothing is measured. One with two arms and an unknown
        baseline has a canary that nobody judges: that is inconclusive.
        """
        for case in super().cases(evidence, settings):
            assert case.subject is not None
            counted = [case.frame(side) for side in COUNTS]
            served = {str(arm) for side in counted for arm in side.loc[side["count"] > 0, "arm"]} - {""}
            absent = sorted({settings.baseline, settings.canary} - served - {""})
            arms = ArmSelection("version", VERSION, settings.baseline, settings.canary, "as named")
            if absent:
                case.unjudged = f"There is no version {' and no '.join(map(plain, absent))} in this window."
            elif not settings.baseline and len(served) < 2:
                only = f"Only version {plain(next(iter(served)))} serves" if served else "No request has a version"
                case.unjudged = f"{only}, so there is no canary."
            elif not settings.baseline:
                try:
                    arms = arm_selection.find_arms(counted, "version", case.subject, evidence.source)
                except ParameterError as error:
                    case.unjudged, case.due = f"{error}.", True
            case.evidence = dataclasses.replace(case.evidence, facts=msgspec.structs.replace(evidence.facts, arms=arms))
            yield case

    def judge(self, case: Case) -> Iterator[Finding]:
        """Compare errors, latency, slow requests and parts of the traffic, after whether they can be compared.

        Errors are counted at the source reporter (every request once, retries and timeouts as the caller met them),
        durations at the destination reporter; where a side does not tell the arms apart, the other counts. FAIL and
        PASS hold at every look: the same window may be judged again and again while it grows, with at most `alpha`
        false alarms in all.
        """
        yield from self._compared(case)
        if arms_of(case).reason == FEWER:
            yield from self._either_way(case)

    def _either_way(self, case: Case) -> Iterator[Finding]:
        """Whether the verdict stands where the arms are the other way round: their requests alone distinguish them."""
        arms = arms_of(case)
        swapped = msgspec.structs.replace(arms, baseline=arms.canary, canary=arms.baseline)
        facts = msgspec.structs.replace(case.evidence.facts, arms=swapped)
        other = dataclasses.replace(case, evidence=dataclasses.replace(case.evidence, facts=facts), tables={})
        if overall(list(self._compared(other))) is Verdict.FAIL:
            first, second = plain(arms.baseline), plain(arms.canary)
            yield case.finding(
                "000",
                "roles.unknown",
                Verdict.INCONCLUSIVE,
                f"{first} is worse than {second}, and which of them is the canary is not known: {second} was taken "
                "for it because it serves fewer requests.",
                required=True,
                action=f'Write baseline = "{first}" and canary = "{second}", or the reverse.',
            )

    def _compared(self, case: Case) -> Iterator[Finding]:
        """The findings on both arms; fills the tables."""
        settings, data = case.settings, comparable(case)
        counted, side, sides = data.counted, data.side, data.sides
        frames, rate = data.arms.frames, error_rate(counted, settings)
        times = durations(frames["latency"])
        latency_looks, slow_result = latency(times, settings), slow(times, settings)
        parts = segments(frames[side], data.arms.possible, settings)
        evidence = {"errors": rate.log_worse, "slow": slow_result.log_evidence("log_worse")}
        evidence["latency"] = float(latency_looks["log_worse"].iloc[-1]) if len(latency_looks) else 0.0
        if len(parts.parts):
            # What is not measured has no stake: the others share it.
            evidence["segments"] = parts.log_worse
        failing = failing_metrics(evidence, settings.stakes.parts(), settings.alpha)
        segment_table, mix_table = parts.with_all(rate)
        case.tables.update(
            arms=arm_table(sides, arms_of(case)),
            codes=code_table(frames[side], settings.error_codes),
            error_looks=rate.looks,
            error_beliefs=beliefs(counted, rate.phi, settings),
            latency_looks=latency_looks,
            latency_edges=slow_result.edges,
            latency_quantiles=quantiles(times),
            segments=segment_table,
            mixes=mix_table,
            pods=pods(case, data.whole.frames["destination"]),
            power=power(rate, latency_looks, settings),
        )
        lost = [*lost_finding(case, data)]
        for metric in (
            error_finding(case, rate, side, failing="errors" in failing),
            latency_finding(case, latency_looks, slow_result.edges, failing="latency" in failing),
            slow_finding(case, slow_result, failing="slow" in failing),
        ):
            yield without_waiting(metric, lost)
        yield segment_finding(case, parts, rate, side, failing="segments" in failing)
        yield coverage_finding(case, counted)
        if settings.mode is Mode.CANARY:
            yield split_finding(case, counted)
        if settings.mode is not Mode.MIRROR:
            yield reporters_finding(case, sides)
        yield burst_finding(case, rate)
        yield pods_finding(case, case.tables["pods"], data.arms)
        yield power_finding(case, case.tables["power"])
        yield from lost
        yield from mode_finding(case, data.arms.after_s, sides["source"], sides["destination"])

    def verdict(self, findings: Sequence[Finding], case: Case) -> Verdict:
        """A wrong split settles nothing, not even a failure: the arms are not comparable."""
        if any(f.code == "ML-CAN-004" and f.verdict is Verdict.INCONCLUSIVE for f in findings):
            return Verdict.INCONCLUSIVE
        return overall(findings)

    def headline(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
        """What to do, and the number that says why."""
        return case.unjudged or headline(verdict, findings, case)

    def action(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> Action | str:
        """What the finding that decides says."""
        return decisive(verdict, findings).action if verdict is not Verdict.PASS else ""

    def suggest(self, triage: Triage, about: Subject | None = None) -> Readiness:
        """Look for services that serve two versions at once, the busiest first."""
        mesh, table = triage.mesh, triage.named
        if table.empty:
            lack = (Missing("requests", mesh.remedy("destination")),)
            return Readiness(State.LACKING, "no requests were counted", lack)
        nobody = "no service serves two versions, workloads or revisions now: ask while a canary runs, with its names"
        found = (each for each in candidates(table) if about in (None, each[0]))
        subject, arms, reason = next(found, (Subject(*table.iloc[0][list(IDENTITY)]), ARMS, nobody))
        if not triage.has_durations(subject):
            lack = (Missing("request durations", mesh.remedy("latency")),)
            return Readiness(State.LACKING, f"the requests of {plain(subject)} have no durations", lack)
        state = State.WAITING if reason == nobody else State.READY
        return Readiness(state, reason, parameters={**triage.parameters(subject), **arms})
