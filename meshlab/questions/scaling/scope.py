"""Which service the scaling question is asked about."""

from __future__ import annotations

from dataclasses import dataclass, fields

from meshlab.errors import ParameterError

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the scaling question is asked about.

    Parameters
    ----------
    service : str
        A canonical service, host or workload.
    namespace : str
        Empty for any, as long as the service is in one only.
    version : str
        The one whose capacity is told; empty for the busiest.

    Raises
    ------
    ParameterError
        A value is no text, or the service is empty.
    """

    service: str
    namespace: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str):
                raise ParameterError(
                    f"{field.name} is the {type(value).__name__} {value!r}, and text was wanted",
                    f"with papermill write -r {field.name} {value}: -p turns 1.10 into a number",
                )
        if not self.service:
            raise ParameterError("service is not given", 'write service = "..."')
