"""A proposal and its replay as frames: what a result holds, and a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pandas as pd

from meshlab.questions.security.least_privilege.proposal import Grant, Proposal, Traffic
from meshlab.questions.security.least_privilege.replay import Replay

__all__ = ["denied", "leftovers", "replayed", "rules"]

_TRAFFIC: Final = ["requests", "per_s", "first", "last"]
_RULES: Final = ["namespace", "workload", "principal", "services", *_TRAFFIC]
_LEFT: Final = ["namespace", "workload", "source", "principal", "why", *_TRAFFIC]
_REPLAYED: Final = [
    "cut",
    "rules",
    "requests",
    "false_denials",
    "share",
    "low",
    "high",
    "unidentified",
    "unused_rules",
]


def rules(grants: Iterable[Grant]) -> pd.DataFrame:
    """Rules, each with the traffic behind it.

    Returns
    -------
    DataFrame
        ``namespace``, ``workload`` (what is called), ``principal`` (who may call), ``services`` (text), ``requests``,
        ``per_s`` (NaN: not known), ``first`` and ``last`` (ends of blocks).
    """
    rows = [(g.namespace, g.workload, g.principal, ", ".join(g.services), *_told(g.traffic)) for g in grants]
    return _typed(pd.DataFrame(rows, columns=_RULES))


def leftovers(proposal: Proposal) -> pd.DataFrame:
    """Callers that no rule names, and why.

    Returns
    -------
    DataFrame
        ``namespace``, ``workload`` (what is called), ``source``, ``principal`` (both as the labels have them), ``why``,
        and the traffic as in `rules`.
    """
    rows = [(x.namespace, x.workload, x.source, x.principal, str(x.why), *_told(x.traffic)) for x in proposal.leftovers]
    return _typed(pd.DataFrame(rows, columns=_LEFT))


def replayed(found: Replay | None) -> pd.DataFrame:
    """A replay in one row; none where there was nothing to replay.

    Returns
    -------
    DataFrame
        ``cut`` (where the last part begins), ``rules`` (of the first part), ``requests`` (identified and let through,
        of the last part), ``false_denials``, ``share``, ``low``, ``high`` (NaN: nothing was tested), ``unidentified``
        and ``unused_rules``.
    """
    if found is None:
        return pd.DataFrame(columns=_REPLAYED)
    low, high = found.interval or (float("nan"), float("nan"))
    share = float("nan") if found.share is None else found.share
    row = (found.cut, len(found.proposal.grants), found.requests, found.false_denials, share, low, high)
    return pd.DataFrame([(*row, found.unidentified, len(found.unused))], columns=_REPLAYED)


def denied(found: Replay | None) -> pd.DataFrame:
    """The edges behind a replay's false denials, the most first; none where there was nothing to replay."""
    columns = ["destination_namespace", "destination_workload", "principal", "requests"]
    return pd.DataFrame(columns=columns) if found is None else found.denied


def _told(traffic: Traffic) -> tuple[int, float, pd.Timestamp, pd.Timestamp]:
    rate = float("nan") if traffic.rate_per_s is None else traffic.rate_per_s
    return traffic.requests, rate, traffic.first, traffic.last


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    moments = dict.fromkeys(("first", "last"), "datetime64[ms, UTC]")
    return table.astype({"requests": "int64", "per_s": "float64", **moments})
