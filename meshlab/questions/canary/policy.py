"""What counts as worse, and how sure one must be: the one table of the canary question's settings."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.errors import ParameterError
from meshlab.stats.shares import Margin

__all__ = ["Policy"]

_RANGES = {
    "error_margin_points": (0.0, 100.0),
    "error_margin_relative": (0.0, 100.0),
    "latency_margin": (0.0, 0.5),
    "alpha": (0.0, 0.5),
    "block_s": (0, 3600),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of the canary judge.

    Parameters
    ----------
    error_margin_points : float
        Percentage points by which the canary may fail more often...
    error_margin_relative : float
        ...or this part of the baseline's own error share, whichever is more.
    latency_margin : float
        How far the probability that a canary request is slower than a baseline request may lie above one half.
    alpha : float
        Probability of a false alarm over all looks and both metrics together; each metric gets half. The same
        probability bounds a false PASS.
    block_s : int
        Length of a time block, seconds: at least two scrape intervals.
    canary_weight : float
        Intended share of requests for the canary (of both arms together), 0..1; 0 when not given.
    min_coverage : float
        Share of the window's blocks that both arms must have data in.

    Raises
    ------
    ParameterError
        A value outside its range.
    """

    error_margin_points: float = 0.5
    error_margin_relative: float = 0.5
    latency_margin: float = 0.03
    alpha: float = 0.02
    block_s: int = 15
    canary_weight: float = 0.0
    min_coverage: float = 0.8

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ParameterError(f"{name} is {value!r}, and a number was wanted", f"write {name} = {high / 10:g}")
            if not low < value <= high:
                raise ParameterError(f"{name} is {value}", f"give a number above {low:g} and at most {high:g}")
        if not isinstance(self.block_s, int):
            raise ParameterError(f"block_s is {self.block_s!r}", "give whole seconds, such as 15")
        if not isinstance(self.canary_weight, int | float) or not 0 <= self.canary_weight < 1:
            raise ParameterError(f"canary_weight is {self.canary_weight!r}", "give a share, such as 0.25; 0 for none")

    @property
    def margin(self) -> Margin:
        """The error margin in shares."""
        return Margin(self.error_margin_points / 100.0, self.error_margin_relative)

    @property
    def block_ms(self) -> int:
        """Length of a block in milliseconds."""
        return self.block_s * 1000

    @property
    def level(self) -> float:
        """Confidence level of the intervals shown, 0..1."""
        return 1.0 - self.alpha
