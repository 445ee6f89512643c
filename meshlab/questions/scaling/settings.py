"""What the scaling question takes for good: one table."""

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
        Length of a time block; 0: two scrapes, at least 10 s, at most a minute.
    slo_ms : float
        Objective for the p99 of request durations; 0: none.
    sync_s : float
        The autoscaler's sync period (the controller's ``--horizontal-pod-autoscaler-sync-period``); 0: found in the
        history, where it tells, else 15.
    hpa_file : str
        The autoscaler's YAML; empty: bounds and target from kube-state-metrics, the behaviour found in the history.
    short_warn, short_fail : float
        Shares of the time with fewer ready replicas than the traffic needed.
    beyond_warn, beyond_fail : float
        Shares of the time beyond the knee.
    explained : float
        Share of the autoscaler's sync periods that the algorithm must explain.
    reversals_fail : int
        So many reversals (a scale-down that was undone soon) fail; one warns.
    soon_s : float
        How soon a scale-down must be undone to count; the stabilisation window where that is longer.
    level : float
        Of all intervals.

    Raises
    ------
    ParameterError
        A value is of the wrong type or out of its range.
    """

    block_s: int = 0
    slo_ms: float = 0.0
    sync_s: float = 0.0
    hpa_file: str = ""
    short_warn: float = 0.02
    short_fail: float = 0.10
    beyond_warn: float = 0.02
    beyond_fail: float = 0.10
    explained: float = 0.90
    reversals_fail: int = 3
    soon_s: float = 600.0
    level: float = 0.95

    def __post_init__(self) -> None:
        check_kinds(self)
        shares = ("short_warn", "short_fail", "beyond_warn", "beyond_fail", "explained", "level")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is {getattr(self, name)!r}, which is no share", "give 0 to 1")
        if not 0 < self.level < 1:
            raise ParameterError(f"level is {self.level!r}", "give a share between 0 and 1, such as 0.95")
        for name, least in (("block_s", 0), ("slo_ms", 0), ("sync_s", 0), ("soon_s", 0), ("reversals_fail", 1)):
            if not least <= getattr(self, name) <= 86_400_000:
                raise ParameterError(f"{name} is {getattr(self, name)!r}", f"give {least} or more")
