"""Which service the scaling question is asked about."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.core.settings import check_texts
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
        check_texts(self)
        if not self.service:
            raise ParameterError("service is not given", 'write service = "..."')
