"""What the retry question takes for good: one table."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.core.settings import check_kinds
from meshlab.errors import ParameterError

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings and margins.

    Parameters
    ----------
    block_s : int
        Length of a time block, seconds; 0: two scrapes, at least 10 s, and at least a 720th of the window.
    amplification : float
        Attempts for a request, over what is usual on the edge, from which an edge counts as amplified.
    goodput : float
        Share of the usual goodput below which it counts as lost.
    sustained_s : int
        How long amplification and lost goodput must outlast their trigger to be called metastable.
    attempts : int
        Worst case: tries of one request that are configured at every hop, the first included; 0: not known.
    routes_file : str
        VirtualServices, DestinationRules and HTTPRoutes as YAML, which are linted and taken for the policy in force;
        empty: that is measured, as far as it can be.
    per_try_s : float
        Time-out of a try at every hop, seconds; 0: as it was measured.
    deadline_s : float
        How long clients wait, seconds; 0: as it was measured.
    least : int
        Requests that an edge must have had in the window to be judged.
    resamples : int
        How often blocks are drawn again for the probability.
    seed : int
        Of the resampling.

    Raises
    ------
    ParameterError
        A value is of the wrong type or out of its range.
    """

    block_s: int = 0
    amplification: float = 1.3
    goodput: float = 0.9
    sustained_s: int = 60
    attempts: int = 0
    routes_file: str = ""
    per_try_s: float = 0.0
    deadline_s: float = 0.0
    least: int = 20
    resamples: int = 2000
    seed: int = 1

    def __post_init__(self) -> None:
        check_kinds(self)
        bounds = {
            "block_s": (0, 3600),
            "amplification": (1.01, 1000),
            "goodput": (0.01, 0.999),
            "sustained_s": (1, 86_400),
            "attempts": (0, 1000),
            "per_try_s": (0, 3600),
            "deadline_s": (0, 3600),
            "least": (1, 1_000_000_000),
            "resamples": (100, 100_000),
            "seed": (0, 2**31),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"{name} is {getattr(self, name)!r}", f"give {low:g} to {high:g}")
