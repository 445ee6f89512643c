"""How the arms' requests ended, and in which blocks of time: HTTP codes, gRPC statuses, and no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from meshlab.questions.canary.arm_selection import ArmSelection
from meshlab.questions.canary.arms import BASELINE, CANARY, block_ends
from meshlab.questions.canary.tables import TABLES
from meshlab.stats.blocks import Blocks
from meshlab.telemetry.outcomes import is_error

__all__ = ["Outcomes", "arm_table", "code_table", "outcomes"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Requests and errors of both arms.

    Parameters
    ----------
    blocks : Blocks
        Of the blocks in which both arms were scraped.
    time : DatetimeIndex
        Their ends.
    possible : int
        Blocks of the window.
    """

    blocks: Blocks
    time: pd.DatetimeIndex
    possible: int

    @property
    def requests(self) -> tuple[int, int]:
        """Requests of baseline and canary."""
        return int(self.blocks.total_b.sum()), int(self.blocks.total_c.sum())

    @property
    def errors(self) -> tuple[int, int]:
        """Errors of baseline and canary."""
        return int(self.blocks.events_b.sum()), int(self.blocks.events_c.sum())


def outcomes(frame: pd.DataFrame, possible: int, error_codes: str) -> Outcomes:
    """Count requests and errors of both arms in every block, of those possible, that has both."""
    rows = frame.assign(errors=frame["count"].where(is_error(frame, error_codes), 0))
    sums = rows.groupby(["block", "arm"])[["count", "errors"]].sum()
    wanted = pd.MultiIndex.from_product([["count", "errors"], [BASELINE, CANARY]])
    table = pd.DataFrame(sums.unstack("arm")).reindex(columns=wanted).dropna()
    counts = (table[column, arm].to_numpy() for arm in (BASELINE, CANARY) for column in ("errors", "count"))
    return Outcomes(Blocks.of(*counts), block_ends(rows, table.index), possible)


def code_table(frame: pd.DataFrame, error_codes: str) -> pd.DataFrame:
    """Requests by outcome: the table ``codes``."""
    answer = pd.MultiIndex.from_frame(frame[["code", "grpc_status"]])
    rows = frame.assign(outcome=answer.map(lambda pair: _name(*pair)), error=is_error(frame, error_codes))
    sums = rows.groupby(["outcome", "error", "arm"])["count"].sum()
    table = sums.unstack("arm", fill_value=0).reindex(columns=[BASELINE, CANARY], fill_value=0).astype("int64")
    for arm in (BASELINE, CANARY):
        table[f"{arm}_percent"] = 100 * table[arm] / table[arm].sum()
    return table.rename_axis(columns=None).reset_index()


def arm_table(sides: Mapping[str, Outcomes], arms: ArmSelection) -> pd.DataFrame:
    """Requests and errors of each arm as either reporter counts them: the table ``arms``."""
    rows = []
    for at, (arm, name) in enumerate(((BASELINE, arms.baseline), (CANARY, arms.canary))):
        for reporter, counted in sides.items():
            requests, errors = counted.requests[at], counted.errors[at]
            rows.append((arm, name, reporter, requests, errors, 100 * errors / requests if requests else np.nan))
    return TABLES["arms"].of(rows)


def _name(code: str, grpc_status: str) -> str:
    if grpc_status:
        return f"gRPC {grpc_status}"
    return "no answer" if code in ("0", "") else f"HTTP {code[0]}xx"
