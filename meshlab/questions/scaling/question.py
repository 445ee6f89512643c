"""The scaling question: how it is asked, and what is judged in which order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.results import Action, Finding, Verdict
from meshlab.core.subject import IDENTITY, Subject
from meshlab.display.numbers import number
from meshlab.questions.base import Asking, Case, Question
from meshlab.questions.scaling import autoscaling_findings as scaled
from meshlab.questions.scaling import capacity_findings as loaded
from meshlab.questions.scaling import plot
from meshlab.questions.scaling.analysis import analyse
from meshlab.questions.scaling.codes import CODES
from meshlab.questions.scaling.hpa import Manifest
from meshlab.questions.scaling.needs import KUBE_STATE, NEEDS
from meshlab.questions.scaling.samples import seconds
from meshlab.questions.scaling.settings import ScalingSettings
from meshlab.questions.scaling.tables import TABLES
from meshlab.telemetry.kubernetes import Autoscalers, Exporter
from meshlab.telemetry.triage import Triage

__all__ = ["Scaling"]

_LEAST_BLOCK_S: Final = 10
_MOST_BLOCK_S: Final = 60
_BAD: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN)
_LEADS: Final = {
    ("ML-SCA-001", Verdict.FAIL): "Under-provisioned: ",
    ("ML-SCA-001", Verdict.WARN): "Near saturation: ",
    ("ML-SCA-004", Verdict.FAIL): "Under-provisioned: ",
    ("ML-SCA-004", Verdict.WARN): "Briefly under-provisioned: ",
    ("ML-SCA-005", Verdict.FAIL): "Flapping: ",
    ("ML-SCA-005", Verdict.WARN): "Flapping: ",
}


class Scaling(Question):
    """Where is the saturation point, and does the autoscaler follow?"""

    name, prefix = "scaling", "ML-SCA"
    Settings = ScalingSettings
    needs = NEEDS
    codes = CODES
    explains = ("autoscalers",)
    tables = TABLES
    figures = (plot.capacity_curve, plot.supply, plot.autoscaler, plot.windows)
    examples: ClassVar[Mapping[str, Any]] = {"source": "scale-out", "service": "catalog"}

    def block_ms(self, asking: Asking) -> int:
        """Two scrapes of the exporter of replicas, where there are any; whole seconds."""
        if asking.settings.block_s:
            return 1000 * int(asking.settings.block_s)
        asking.answers["replicas"] = NEEDS["replicas"].answer(asking)
        times = np.unique(seconds(asking.frame("replicas")["time"])) if len(asking.frame("replicas")) else np.empty(0)
        scrape_s = float(np.median(np.diff(times))) if len(times) > 2 else _MOST_BLOCK_S / 2
        return 1000 * int(min(max(round(2 * scrape_s), _LEAST_BLOCK_S), _MOST_BLOCK_S))

    def frames(self, asking: Asking) -> dict[str, pd.DataFrame]:
        """All answers, counts as their long frames."""
        return {name: answer.frame for name, answer in asking.answers.items()}

    def documents(self, settings: ScalingSettings) -> Mapping[str, object]:
        """``hpa``: the autoscaler's YAML, where it is given."""
        return {"hpa": Manifest.read(settings.hpa_file)} if settings.hpa_file else {}

    def judge(self, case: Case) -> Iterator[Finding]:
        """Judge what a replica carries, how long more was needed, and whether the autoscaler follows.

        Required: saturation (ML-SCA-001) and, where there is an autoscaler, provisioning (ML-SCA-004) and flapping
        (ML-SCA-005).
        """
        about = analyse(case)
        case.tables.update(about.tables())
        yield loaded.saturation(case, about)
        yield loaded.throughput(case, about)
        yield from loaded.objective(case, about)
        yield scaled.provisioning(case, about)
        yield scaled.flapping(case, about)
        yield scaled.replay(case, about)
        yield scaled.bounds(case, about)
        yield scaled.start_up(case, about)
        yield loaded.versions(case, about)
        yield loaded.sidecar(case, about)
        yield loaded.little(case, about)

    def headline(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
        """The worst finding's first clause, without what stands in parentheses."""
        if verdict is Verdict.PASS:
            rates = [f.value for f in findings if f.code == "ML-SCA-002" and f.value is not None]
            return "Sufficient capacity" + (f": a saturated replica sustains {number(rates[0])} rps." if rates else ".")
        worst = _worst(findings)
        if worst is None:
            return "Inconclusive: nothing was measured."
        clause = re.split(r", |; |: |\. |\.$", re.sub(r" \([^()]*\)", "", worst.statement))[0]
        lead = _LEADS.get((worst.code, worst.verdict or Verdict.WARN), "")
        if worst.verdict is Verdict.INCONCLUSIVE:
            lead = "Inconclusive: "
        return f"{lead}{_lower(clause) if lead else clause}."

    def action(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> Action | str:
        """Of the worst finding, a required one first."""
        worst = _worst(findings)
        return worst.action if worst else ""

    def suggest(self, triage: Triage, about: Subject | None = None) -> Readiness:
        """Look for a busy service with durations, one with an autoscaler before others."""
        mesh, window, table = triage.mesh, triage.window, triage.services
        if table.empty:
            lack = Missing("requests", mesh.remedy("destination"))
            return Readiness(State.LACKING, "no requests were counted", (lack,))
        workloads = Autoscalers(Exporter(mesh)).scaled(window).frame
        scaled_by = set(zip(workloads["namespace"], workloads["workload"], strict=True))
        places = list(zip(table["destination_namespace"], table["destination_workload"], strict=True))
        subjects = [Subject(*row) for row in table[list(IDENTITY)].itertuples(index=False, name=None)]
        named = [k for k, place in enumerate(places) if about and place == (about.namespace, about.service)]
        measured = named or [k for k, subject in enumerate(subjects) if triage.has_durations(subject)] or [0]
        at = next((k for k in measured if places[k] in scaled_by), measured[0])
        subject = subjects[at]
        if not triage.has_durations(subject):
            lack = Missing("request durations", mesh.remedy("latency"))
            return Readiness(State.LACKING, f"the requests of {subject} have no durations", (lack,))
        parameters = triage.parameters(subject)
        if places[at] in scaled_by:
            return Readiness(State.READY, f"{subject} has an autoscaler", parameters=parameters)
        missing = () if len(workloads) else (Missing("autoscalers and replicas", KUBE_STATE),)
        reason = f"{subject} can be measured; it has no autoscaler"
        return Readiness(State.READY, reason, missing, parameters=parameters)


def _worst(findings: Sequence[Finding]) -> Finding | None:
    bad = [finding for finding in findings if finding.verdict in _BAD]
    return min(bad, key=lambda f: (_BAD.index(f.verdict or Verdict.WARN), not f.required), default=None)


def _lower(clause: str) -> str:
    """A clause after a colon; names of versions keep their case."""
    return clause[:1].lower() + clause[1:] if clause.split(" ")[0].isalpha() else clause
