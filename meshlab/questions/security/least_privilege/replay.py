"""A proposal tried on history: made from the first part, judged by the last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import yaml

from meshlab.errors import ParameterError
from meshlab.questions.security.least_privilege.istio import Selector
from meshlab.questions.security.least_privilege.names import bare
from meshlab.questions.security.least_privilege.observed import TARGET, edges
from meshlab.questions.security.least_privilege.proposal import Proposal, propose

__all__ = ["Replay", "Unused", "replay", "unused"]

_Z95: Final = 1.959964
_EDGE: Final = (*TARGET, "principal")


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What the first part's proposal would have done to the last part.

    Parameters
    ----------
    proposal : Proposal
        Made from the first part.
    cut : Timestamp
        Where the last part begins.
    requests : int
        Identified requests of the last part that the mesh let through.
    false_denials : int
        Those of them that the proposal denies.
    share : float or None
        Of them; None where the last part had none: nothing was tested.
    interval : (float, float) or None
        Wilson's, 95 %, as if requests came one by one; callers that come in bursts make it too narrow.
    denied : DataFrame
        The edges behind it: what is called, ``principal``, ``requests``, the most first.
    unidentified : int
        Requests of the last part without an identity, at workloads with a policy: it would deny them too.
    """

    proposal: Proposal
    cut: pd.Timestamp
    requests: int
    false_denials: int
    share: float | None
    interval: tuple[float, float] | None
    denied: pd.DataFrame
    unidentified: int


@dataclass(frozen=True, slots=True)
class Unused:
    """A permission that nobody used.

    Parameters
    ----------
    policy, namespace : str
    principal : str
        As the policy has it, wildcards included.
    limited : bool
        False for one with a wildcard: whom it allows cannot be listed, and whether it is used is not judged.
    """

    policy: str
    namespace: str
    principal: str
    limited: bool


def replay(frame: pd.DataFrame, *, last_part: float = 0.25) -> Replay:
    """Leave the last part of a window out, propose, and try the proposal on it.

    Parameters
    ----------
    frame : DataFrame
        As `collect` answers.
    last_part : float
        Share of the window's length, between 0 and 1.

    Raises
    ------
    ParameterError
        No such share, or nothing was observed at all.
    """
    if not 0 < last_part < 1:
        raise ParameterError(f"last_part is {last_part}", "give a share between 0 and 1, such as 0.25")
    if frame.empty:
        raise ParameterError("no traffic was observed", "choose a window with traffic")
    first, last = frame["time"].min(), frame["time"].max()
    cut = first + (last - first) * (1 - last_part)
    proposal = propose(frame[frame["time"] <= cut])
    tested = edges(frame[frame["time"] > cut])
    closed = pd.MultiIndex.from_tuples([(ns, w) for ns, w, _ in proposal.targets()] or [("", "")], names=TARGET)
    allowed = pd.MultiIndex.from_tuples(
        [(g.namespace, g.workload, g.principal) for g in proposal.grants] or [("", "", "")], names=_EDGE
    )
    inside = pd.MultiIndex.from_frame(tested[list(TARGET)]).isin(closed)
    let = pd.MultiIndex.from_frame(tested[list(_EDGE)]).isin(allowed)
    named = tested["principal"].ne("").to_numpy()
    legitimate = named & ~tested["denied"].to_numpy()
    wrong = tested[legitimate & inside & ~let]
    requests, false = int(tested.loc[legitimate, "count"].sum()), int(wrong["count"].sum())
    denied = wrong.groupby(list(_EDGE), as_index=False)["count"].sum().rename(columns={"count": "requests"})
    return Replay(
        proposal=proposal,
        cut=cut,
        requests=requests,
        false_denials=false,
        share=false / requests if requests else None,
        interval=_wilson(false, requests) if requests else None,
        denied=denied.sort_values(["requests", *_EDGE], ascending=[False, True, True, True], ignore_index=True),
        unidentified=int(tested.loc[~named & inside, "count"].sum()),
    )


def unused(current: str, frame: pd.DataFrame, *, selector: Selector | None = None) -> tuple[Unused, ...]:
    """Principals that a policy allows and that were not seen.

    Parameters
    ----------
    current : str
        YAML of the AuthorizationPolicies in force.
    frame : DataFrame
        As `collect` answers.
    selector : Selector, optional
        How policies find workloads.

    Raises
    ------
    ParameterError
        The text is no YAML.
    """
    selector = selector or Selector()
    seen = propose(frame)
    used = {(g.namespace, selector.value(g), g.principal) for g in seen.grants}
    anywhere = {(g.namespace, g.principal) for g in seen.grants}
    found = set()
    for name, namespace, value, principal in _allowed(current, selector.label):
        limited = "*" not in principal
        known = (namespace, value, bare(principal)) in used if value else (namespace, bare(principal)) in anywhere
        if not limited or not known:
            found.add(Unused(name, namespace, principal, limited))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.policy, one.principal)))


def _allowed(current: str, label: str) -> Iterator[tuple[str, str, str, str]]:
    """Policy, namespace, value of the selector's label (empty for none), and principal."""
    try:
        documents = list(yaml.safe_load_all(current))
    except yaml.YAMLError as error:
        raise ParameterError(
            f"the policy is no YAML: {error}", "give kubectl get authorizationpolicy -o yaml"
        ) from None
    for document in documents:
        for one in _list(_at(document, "items")) or [document]:
            if _at(one, "kind") != "AuthorizationPolicy" or _at(one, "spec", "action") not in (None, "ALLOW"):
                continue
            name, namespace = str(_at(one, "metadata", "name")), str(_at(one, "metadata", "namespace"))
            value = _at(one, "spec", "selector", "matchLabels", label)
            for rule in _list(_at(one, "spec", "rules")):
                for source in _list(_at(rule, "from")):
                    for principal in _list(_at(source, "source", "principals")):
                        yield name, namespace, str(value or ""), str(principal)


def _at(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _wilson(events: int, total: int) -> tuple[float, float]:
    share, z2 = events / total, _Z95 * _Z95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return (0.0 if events == 0 else centre - half), (1.0 if events == total else centre + half)
