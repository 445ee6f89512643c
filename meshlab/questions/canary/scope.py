"""Which service, and which two arms of it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from meshlab.core.settings import check_texts
from meshlab.errors import ParameterError

__all__ = ["ARM_BY", "Mode", "Scope"]


class Mode(StrEnum):
    """How the new version is tried."""

    CANARY = "canary"
    """Both serve at the same time."""
    BLUE_GREEN = "blue-green"
    """The new one serves after the old one."""
    MIRROR = "mirror"
    """The new one gets copies of the old one's requests, and its answers are thrown away: a dark launch."""


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
    mode : Mode
        ``canary``, ``blue-green`` or ``mirror``.

    Raises
    ------
    ParameterError
        A value is no text (papermill's ``-p canary 1.10`` gives the number 1.1), the service is empty, one arm only is
        named, both are the same, `arm_by` is none of the four, or `mode` none of the three.
    """

    service: str
    baseline: str = ""
    canary: str = ""
    namespace: str = ""
    arm_by: str = ""
    mode: str = Mode.CANARY

    def __post_init__(self) -> None:
        check_texts(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if not value and field.name not in _OPTIONAL:
                raise ParameterError(f"{field.name} is not given", f'write {field.name} = "..."')
        if bool(self.baseline) != bool(self.canary):
            known, empty = ("baseline", "canary") if self.baseline else ("canary", "baseline")
            raise ParameterError(
                f"{empty} is not given, and {known} is {getattr(self, known)!r}",
                f'write {empty} = "...", or leave both empty to have them found',
            )
        _check(self.mode, "mode", tuple(Mode), "tries nothing", "write one of")
        object.__setattr__(self, "mode", Mode(self.mode))
        if self.baseline and self.baseline == self.canary:
            raise ParameterError(f"baseline and canary are both {self.canary!r}", "name two different versions")
        if self.arm_by:
            _check(self.arm_by, "arm_by", ARM_BY, "tells no arms apart", "leave it empty, or write one of")


def _check(value: str, name: str, known: Sequence[str], fault: str, remedy: str) -> None:
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        raise ParameterError(
            f"{name} is {value!r}, which {fault}",
            f"did you mean {near[0]}?" if near else f"{remedy} {', '.join(known)}",
        )
