"""What the security question takes for good: one table."""

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
        Length of a time block; 0: a hundredth of the window, at least 10 s, at most 15 minutes.
    recent_s : float
        Plain text within so many seconds of the window's end still goes on; older plain text is a mended edge. 0: a
        fifth of the window.
    ingresses : str
        Names of the workloads that take traffic from outside the mesh, separated by commas; ``*`` stands for anything.
    rotate_after : float
        Share of a certificate's life after which it should be renewed; 0: the mesh's own rule (Istio 0.5, Linkerd 0.7).
    lifetime_s : float
        Life of a workload's certificate; 0: found from the rotations that are seen.
    slack : float
        Share of the life by which a rotation may be late.
    against : str
        The ``result.json`` of an earlier run, to say what is new, fixed and worse; empty: none.
    policies_file : str
        YAML of the AuthorizationPolicies in force, which telemetry does not know; empty: none is given.
    policy_label : str
        The key of the label by which policies find pods.
    last_part : float
        Share of the window that the proposal's replay leaves out and tests.
    level : float
        Of all intervals.

    Raises
    ------
    ParameterError
        A value is of the wrong type or out of its range.
    """

    block_s: int = 0
    recent_s: float = 0.0
    ingresses: str = "*ingress*,*gateway*"
    rotate_after: float = 0.0
    lifetime_s: float = 0.0
    slack: float = 0.05
    against: str = ""
    policies_file: str = ""
    policy_label: str = "app"
    last_part: float = 0.25
    level: float = 0.95

    def __post_init__(self) -> None:
        check_kinds(self)
        for name in ("block_s", "recent_s", "lifetime_s"):
            if not 0 <= getattr(self, name) <= 86_400_000:
                raise ParameterError(f"{name} is {getattr(self, name)!r}", "give 0 or more seconds")
        for name in ("rotate_after", "slack"):
            if not 0 <= getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)!r}, which is no share", "give 0 to 1")
        for name in ("level", "last_part"):
            if not 0 < getattr(self, name) < 1:
                usual = type(self).__dataclass_fields__[name].default
                raise ParameterError(f"{name} is {getattr(self, name)!r}", f"give a share between 0 and 1, as {usual}")
