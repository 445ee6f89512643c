"""A proposal and its replay as frames: what a result holds, and a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan

import pandas as pd

from meshlab.questions.security.least_privilege.proposal import Grant, Proposal, Traffic
from meshlab.questions.security.least_privilege.replay import Replay, Unused
from meshlab.questions.security.tables import TABLES

__all__ = ["leftovers", "replayed", "rules", "unused_permissions"]


def rules(grants: Iterable[Grant]) -> pd.DataFrame:
    """Rules, each with the traffic behind it: the table ``rules``."""
    rows = [(g.namespace, g.workload, g.principal, ", ".join(g.services), *_cells(g.traffic)) for g in grants]
    return TABLES["rules"].of(rows)


def leftovers(proposal: Proposal) -> pd.DataFrame:
    """Callers that no rule names, and why: the table ``unattributable``."""
    left = proposal.leftovers
    rows = [(x.namespace, x.workload, x.source, x.principal, str(x.why), *_cells(x.traffic)) for x in left]
    return TABLES["unattributable"].of(rows)


def replayed(found: Replay | None) -> pd.DataFrame:
    """A replay in one row: the table ``replay``; none where there was nothing to replay."""
    if found is None:
        return TABLES["replay"].empty()
    share = nan if found.share is None else found.share
    row = (found.cut, len(found.proposal.grants), found.requests, found.false_denials, share)
    return TABLES["replay"].of([(*row, *(found.interval or (nan, nan)), found.unidentified, len(found.unused))])


def unused_permissions(permissions: Iterable[Unused]) -> pd.DataFrame:
    """Permissions that nobody used: the table ``unused``."""
    return TABLES["unused"].of([(p.policy, p.namespace, p.principal, p.limited) for p in permissions])


def _cells(traffic: Traffic) -> tuple[int, float, pd.Timestamp, pd.Timestamp]:
    rate = nan if traffic.rate_per_s is None else traffic.rate_per_s
    return traffic.requests, rate, traffic.first, traffic.last
