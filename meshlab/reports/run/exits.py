"""Exit codes from verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

__all__ = ["AT_OR_ABOVE", "FAILED", "INCONCLUSIVE", "FailOn", "exit_code", "worst_code"]

AT_OR_ABOVE: Final = 10
INCONCLUSIVE: Final = 11
FAILED: Final = 3

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


def worst_code(words: Sequence[str], fail_on: FailOn, *, inconclusive_ok: bool = False) -> int:
    """What `meshlab sweep` exits with: the worst of 10, 3, 11 and 0.

    Parameters
    ----------
    words : sequence of str
        Verdicts, ``NOT_MEASURED`` where nothing was asked, ``ERROR`` for what could not be judged. When nothing at all
        was judged, that is inconclusive.

    Returns
    -------
    int
        0, 3, 10 or 11.
    """
    judged = [word for word in words if word != "NOT_MEASURED"] or ["INCONCLUSIVE"]
    codes = [
        FAILED if word == "ERROR" else exit_code(word, fail_on, inconclusive_ok=inconclusive_ok) for word in judged
    ]
    return next(code for code in (AT_OR_ABOVE, FAILED, INCONCLUSIVE, 0) if code in codes)
