"""A proposal tried on history: made from the first part, judged by the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from meshlab.core.counts import Counts
from meshlab.errors import ParameterError
from meshlab.questions.security.least_privilege.current import Permitted, read
from meshlab.questions.security.least_privilege.istio import Selector
from meshlab.questions.security.least_privilege.names import bare
from meshlab.questions.security.least_privilege.observed import TARGET, between, edges, ends_ms
from meshlab.questions.security.least_privilege.proposal import Grant, Proposal, propose

__all__ = ["Replay", "Unused", "replay", "unused"]

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
    unused : tuple of Grant
        Rules of the first part that the last part had no use for.
    """

    proposal: Proposal
    cut: pd.Timestamp
    requests: int
    false_denials: int
    share: float | None
    interval: tuple[float, float] | None
    denied: pd.DataFrame
    unidentified: int
    unused: tuple[Grant, ...]


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


def replay(counts: Counts, *, last_part: float = 0.25) -> Replay:
    """Leave the last part of a window out, propose, and try the proposal on it.

    Parameters
    ----------
    counts : Counts
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
    times = ends_ms(counts)
    if not len(times):
        raise ParameterError("no traffic was observed", "choose a window with traffic")
    cut_ms = int(times[0] + (times[-1] - times[0]) * (1 - last_part))
    proposal = propose(counts, cut_ms)
    tested = edges(between(counts, after_ms=cut_ms))
    closed = pd.MultiIndex.from_tuples([(ns, w) for ns, w, _ in proposal.targets()] or [("", "")], names=TARGET)
    allowed = pd.MultiIndex.from_tuples(
        [(g.namespace, g.workload, g.principal) for g in proposal.grants] or [("", "", "")], names=_EDGE
    )
    inside = pd.MultiIndex.from_frame(tested[list(TARGET)]).isin(closed)
    let = pd.MultiIndex.from_frame(tested[list(_EDGE)]).isin(allowed)
    named = tested["principal"].ne("").to_numpy()
    legitimate = named & ~tested["denied"].to_numpy()
    wrong = tested[legitimate & inside & ~let]
    again = set(tested.loc[legitimate, list(_EDGE)].drop_duplicates().itertuples(index=False, name=None))
    requests, false = int(tested.loc[legitimate, "count"].sum()), int(wrong["count"].sum())
    denied = wrong.groupby(list(_EDGE), as_index=False)["count"].sum().rename(columns={"count": "requests"})
    return Replay(
        proposal=proposal,
        cut=pd.Timestamp(cut_ms, unit="ms", tz="UTC"),
        requests=requests,
        false_denials=false,
        share=false / requests if requests else None,
        interval=_wilson(false, requests) if requests else None,
        denied=denied.sort_values(["requests", *_EDGE], ascending=[False, True, True, True], ignore_index=True),
        unidentified=int(tested.loc[~named & inside, "count"].sum()),
        unused=tuple(g for g in proposal.grants if (g.namespace, g.workload, g.principal) not in again),
    )


def unused(
    current: str | tuple[Permitted, ...], observed: Counts | Proposal, *, selector: Selector | None = None
) -> tuple[Unused, ...]:
    """Principals that a policy allows and that were not seen.

    Parameters
    ----------
    current : str or tuple of Permitted
        YAML of the AuthorizationPolicies in force, or what was read of it.
    observed : Counts or Proposal
        As `collect` answers, or what `propose` made of it.
    selector : Selector, optional
        How policies find workloads.

    Raises
    ------
    ParameterError
        The text is no YAML.
    """
    selector = selector or Selector()
    proposal = observed if isinstance(observed, Proposal) else propose(observed)
    used = {(g.namespace, selector.value(g), g.principal) for g in proposal.grants}
    anywhere = {(g.namespace, g.principal) for g in proposal.grants}
    found = set()
    for one in read(current, selector.label) if isinstance(current, str) else current:
        for principal in one.principals:
            limited = "*" not in principal
            name = bare(principal)
            known = (one.namespace, one.value, name) in used if one.value else (one.namespace, name) in anywhere
            if not limited or not known:
                found.add(Unused(one.policy, one.namespace, principal, limited))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.policy, one.principal)))


def _wilson(events: int, total: int) -> tuple[float, float]:
    low, high = proportion_confint(events, total, method="wilson")
    return float(low) if events else 0.0, float(high) if events < total else 1.0
