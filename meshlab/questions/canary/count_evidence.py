"""What counts of events say at each look, divided by their dispersion as it was known then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from meshlab.questions.canary.arms import Floats
from meshlab.stats.blocks import Blocks
from meshlab.stats.ratios import log_ratio_above
from meshlab.stats.scatter import at_every_look, deflation
from meshlab.stats.shares import Margin, log_evidence_below

__all__ = ["CountEvidence"]


@dataclass(frozen=True, slots=True, eq=False)
class CountEvidence:
    """Events of two arms and how they scatter.

    Parameters
    ----------
    blocks : Blocks
    deflations : ndarray of float64, shape (blocks,)
        Dispersion by which the evidence is divided at each look; 1 where events do not come in bursts.
    """

    blocks: Blocks
    deflations: Floats

    @classmethod
    def of(cls, blocks: Blocks) -> Self:
        """The evidence of blocks."""
        return cls(blocks, deflation(blocks))

    @property
    def phi(self) -> float:
        """Dispersion at the last look."""
        return float(self.deflations[-1]) if len(self.deflations) else 1.0

    def running(self) -> tuple[Floats, Floats]:
        """Shares of both arms up to each look, shape (blocks,) each; NaN before the first request."""
        blocks = self.blocks
        pairs = ((blocks.events_b, blocks.total_b), (blocks.events_c, blocks.total_c))
        with np.errstate(invalid="ignore", divide="ignore"):
            first, second = (np.cumsum(events) / np.cumsum(total) for events, total in pairs)
        return first, second

    def above(self, factor: float) -> Floats:
        """Natural log of the evidence for "the canary's rate is more than `factor` times the baseline's"."""
        return at_every_look(lambda by: log_ratio_above(self.blocks, factor, by), self.deflations)

    def below(self, margin: Margin) -> Floats:
        """Natural log of the evidence for "the canary's share is less than `margin` above the baseline's"."""
        return at_every_look(lambda by: log_evidence_below(self.blocks, margin, by), self.deflations)
