"""How the arms' requests ended: HTTP codes by class, gRPC statuses, and no answer at all."""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.questions.canary.arms import is_error
from meshlab.questions.canary.scope import Scope
from meshlab.subject import Subject

__all__ = ["codes"]

_COLUMNS: Final = ["outcome", "error", "baseline", "canary", "baseline_percent", "canary_percent"]


def codes(frame: pd.DataFrame, subject: Subject, scope: Scope) -> pd.DataFrame:
    """Requests by outcome.

    Parameters
    ----------
    frame : DataFrame
        The side on which errors are counted.
    subject : Subject
    scope : Scope

    Returns
    -------
    DataFrame
        ``outcome`` (such as ``HTTP 5xx``, ``gRPC 14``, ``no answer``), ``error`` (whether it counts as one),
        ``baseline, canary`` (requests) and ``baseline_percent, canary_percent`` of the arm's own.
    """
    if frame.empty or "arm" not in frame:
        return pd.DataFrame(columns=_COLUMNS)
    rows = frame[subject.mask(frame) & frame["arm"].isin([scope.baseline, scope.canary])]
    if rows.empty:
        return pd.DataFrame(columns=_COLUMNS)
    kinds = rows[["code", "grpc_status", "flags"]].drop_duplicates()
    kinds = kinds.assign(outcome=_outcome(kinds), error=is_error(kinds))
    rows = rows.merge(kinds, on=["code", "grpc_status", "flags"])
    table = rows.pivot_table(index=["outcome", "error"], columns="arm", values="count", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=[scope.baseline, scope.canary], fill_value=0).astype("int64")
    table.columns = pd.Index(["baseline", "canary"])
    for arm in ("baseline", "canary"):
        table[f"{arm}_percent"] = 100 * table[arm] / table[arm].sum()
    return table.reset_index()[_COLUMNS]


def _outcome(kinds: pd.DataFrame) -> pd.Series[str]:
    http = "HTTP " + kinds["code"].str.slice(0, 1) + "xx"
    named = http.mask(kinds["code"].isin(["0", ""]), "no answer")
    return named.mask(kinds["grpc_status"] != "", "gRPC " + kinds["grpc_status"])
