"""How the arms' requests ended: HTTP codes by class, gRPC statuses, and no answer at all."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.subject import Subject
from meshlab.questions.canary.arms import is_fault, ways
from meshlab.questions.canary.scope import Scope

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
    distinct, number = ways(rows)
    told = pd.DataFrame(
        {
            "outcome": np.array([_outcome(*way) for way in distinct], object)[number],
            "error": np.array([is_fault(*way) for way in distinct], bool)[number],
            "arm": rows["arm"].to_numpy(object),
            "count": rows["count"].to_numpy(),
        }
    )
    table = told.groupby(["outcome", "error", "arm"])["count"].sum().unstack("arm", fill_value=0)
    table = table.reindex(columns=[scope.baseline, scope.canary], fill_value=0).astype("int64")
    table.columns = pd.Index(["baseline", "canary"])
    for arm in ("baseline", "canary"):
        table[f"{arm}_percent"] = 100 * table[arm] / table[arm].sum()
    return table.reset_index()[_COLUMNS]


def _outcome(code: str, grpc_status: str, flags: str) -> str:
    del flags  # why, not how
    if grpc_status:
        return f"gRPC {grpc_status}"
    return "no answer" if code in ("0", "") else f"HTTP {code[0]}xx"
