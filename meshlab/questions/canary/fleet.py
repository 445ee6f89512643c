"""Every canary of a mesh at once: see `meshlab.questions.base`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.core.sanitize import plain
from meshlab.core.subject import Subject
from meshlab.display.figures import Figure
from meshlab.errors import ParameterError
from meshlab.questions.base.legacy import Ask, parts
from meshlab.questions.canary import arm_selection, plot
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.settings import Policy

__all__ = ["asks", "figures", "policy"]


def policy(given: Mapping[str, object]) -> Policy:
    """The margins: of the policy file, if one is given, and what is given beside it.

    Raises
    ------
    ParameterError
        A value is outside its range, or the file cannot be read.
    """
    known = {field.name for field in fields(Policy)}
    changes = {name: value for name, value in given.items() if name in known}
    file = str(given.get("policy_file", ""))
    return Policy.read(file, **changes) if file else Policy(**changes)  # type: ignore[arg-type]


def asks(evidence: Evidence, given: Mapping[str, object]) -> Iterator[Ask]:
    """Services that serve two versions: those that are named, else those found by themselves.

    A service with one version has no canary, so nothing is measured. One with two of which the baseline cannot be told
    has a canary that nobody judges: that is inconclusive.

    Raises
    ------
    ParameterError
        One arm only is named, or arms are told apart by something else than versions.
    """
    if given.get("arm_by", "") not in ("", "version"):
        raise ParameterError(f"arm_by is {given['arm_by']!r}, and a sweep compares versions", "leave it out")
    mode = str(given.get("mode", "")) or Mode.CANARY
    arms = {name: str(given.get(name, "")) for name in ("baseline", "canary")}
    # Wrong arms are refused once, not for each service.
    Scope(service="any", mode=mode, **arms)
    for subject, part in parts(evidence, given.get("namespace", "")):
        counted = [part.frames[side] for side in ("source", "destination")]
        seen = {str(arm) for frame in counted for arm in frame.loc[frame["count"] > 0, "arm"]} - {""}
        about = Scope(service=subject.service, namespace=subject.namespace, arm_by="version", mode=mode, **arms)
        if arms["baseline"]:
            missing = sorted(set(arms.values()) - seen)
            if missing:
                reason = f"has no version {' and no '.join(map(plain, missing))} in this window"
                yield Ask(subject=subject, evidence=part, reason=reason)
            else:
                yield Ask(subject=subject, evidence=part, scope=about)
        elif len(seen) < 2:
            what = f"serves one version only, {plain(next(iter(seen)))}" if seen else "served no request with a version"
            yield Ask(subject=subject, evidence=part, reason=f"{what}: there is no canary")
        else:
            yield _found(subject, part, about)


def figures(result: Result, policy: Policy) -> list[Figure]:
    """Errors and durations of the two arms."""
    return [
        plot.error_difference(result),
        plot.error_evidence(result, policy),
        plot.latency_over_time(result),
        plot.latency_by_edge(result),
    ]


def _found(subject: Subject, part: Evidence, about: Scope) -> Ask:
    counted = (part.frames["source"], part.frames["destination"])
    try:
        arms = arm_selection.find_arms(counted, about, subject, part.source)
    except ParameterError as error:
        return Ask(subject=subject, evidence=part, reason=str(error), lacking=True)
    return Ask(subject=subject, evidence=part, scope=replace(about, baseline=arms.baseline, canary=arms.canary))
