"""Which service, and which two arms of it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from meshlab.errors import ParameterError

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the canary question is asked about.

    Parameters
    ----------
    service : str
        A canonical service, host or workload.
    baseline, canary : str
        Versions, as the mesh labels them.
    namespace : str
        Empty for any, as long as the service is in one only.

    Raises
    ------
    ParameterError
        A value is no text (papermill's ``-p canary 1.10`` gives the number 1.1), is empty, or both arms are the same.
    """

    service: str
    baseline: str
    canary: str
    namespace: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str):
                raise ParameterError(
                    f"{field.name} is the {type(value).__name__} {value!r}, and text was wanted",
                    f"with papermill write -r {field.name} {value}: -p turns 1.10 into a number",
                )
            if not value and field.name != "namespace":
                raise ParameterError(f"{field.name} is not given", f'write {field.name} = "..."')
        if self.baseline == self.canary:
            raise ParameterError(f"baseline and canary are both {self.canary!r}", "name two different versions")
