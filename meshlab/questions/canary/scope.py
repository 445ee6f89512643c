"""Which service, and which two arms of it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

from meshlab.errors import ParameterError

__all__ = ["ARM_BY", "Scope"]

ARM_BY = ("version", "workload", "revision", "service")
"""What may tell the two arms apart."""

_OPTIONAL = frozenset({"namespace", "baseline", "canary", "arm_by"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the canary question is asked about.

    Parameters
    ----------
    service : str
        A canonical service, host or workload.
    baseline, canary : str
        Versions, workloads, revisions or services, as the mesh labels them. Both empty: found by itself where it can.
    namespace : str
        Empty for any, as long as the service is in one only.
    arm_by : str
        ``version``, ``workload``, ``revision`` or ``service``: what the names of the arms are. Empty: found by itself.

    Raises
    ------
    ParameterError
        A value is no text (papermill's ``-p canary 1.10`` gives the number 1.1), the service is empty, one arm only is
        named, both are the same, or `arm_by` is none of the four.
    """

    service: str
    baseline: str = ""
    canary: str = ""
    namespace: str = ""
    arm_by: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str):
                raise ParameterError(
                    f"{field.name} is the {type(value).__name__} {value!r}, and text was wanted",
                    f"with papermill write -r {field.name} {value}: -p turns 1.10 into a number",
                )
            if not value and field.name not in _OPTIONAL:
                raise ParameterError(f"{field.name} is not given", f'write {field.name} = "..."')
        if bool(self.baseline) != bool(self.canary):
            known, empty = ("baseline", "canary") if self.baseline else ("canary", "baseline")
            raise ParameterError(
                f"{empty} is not given, and {known} is {getattr(self, known)!r}",
                f'write {empty} = "...", or leave both empty to have them found',
            )
        if self.baseline and self.baseline == self.canary:
            raise ParameterError(f"baseline and canary are both {self.canary!r}", "name two different versions")
        if self.arm_by and self.arm_by not in ARM_BY:
            near = difflib.get_close_matches(self.arm_by, ARM_BY, 1)
            raise ParameterError(
                f"arm_by is {self.arm_by!r}, which tells no arms apart",
                f"did you mean {near[0]}?" if near else f"write one of {', '.join(ARM_BY)}, or leave it empty",
            )
