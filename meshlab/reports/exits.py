"""Exit codes from verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["AT_OR_ABOVE", "INCONCLUSIVE", "FailOn", "exit_code"]

AT_OR_ABOVE: Final = 10
INCONCLUSIVE: Final = 11

_SEVERITY: Final = {"PASS": 0, "WARN": 1, "FAIL": 2}


class FailOn(StrEnum):
    """The verdict from which on a report exits with 10."""

    WARN = "warn"
    FAIL = "fail"
    NEVER = "never"


def exit_code(verdict: str, fail_on: FailOn, *, inconclusive_ok: bool = False) -> int:
    """What `meshlab report` exits with.

    Parameters
    ----------
    verdict : str
        ``PASS``, ``WARN``, ``FAIL`` or ``INCONCLUSIVE``.
    fail_on : FailOn
    inconclusive_ok : bool

    Returns
    -------
    int
        0, 10 or 11.
    """
    if verdict == "INCONCLUSIVE":
        return 0 if inconclusive_ok else INCONCLUSIVE
    if fail_on is FailOn.NEVER:
        return 0
    return AT_OR_ABOVE if _SEVERITY[verdict] >= _SEVERITY[fail_on.value.upper()] else 0
