"""A gate that looks again and again, until there is a verdict: for rollouts.

The notebook's question has to be valid at every look, as the canary's is; then looking often costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from meshlab.core.results import Verdict
from meshlab.errors import EngineError, ParameterError
from meshlab.reports.run.runner import Outcome

__all__ = ["watch"]


def watch(
    look: Callable[[], Outcome],
    *,
    every_s: float,
    longest_s: float,
    at_once: bool,
    clock: Callable[[], float],
    wait: Callable[[float], None],
    report: Callable[[str], None],
) -> Outcome:
    """Look until there is a verdict, or the time is up.

    Parameters
    ----------
    look : callable
        Judges what there is by now.
    every_s, longest_s : float
        Seconds between two looks, and in all.
    at_once : bool
        Whether there is something to look at already; otherwise the first look comes after `every_s`.
    clock, wait : callable
        Seconds that only grow, and how to let them pass.
    report : callable
        Gets a line about every look that settled nothing.

    Returns
    -------
    Outcome
        The last look's; INCONCLUSIVE when the time is up.

    Raises
    ------
    ParameterError
        The times are not in order.
    MeshlabError
        What a look raised. A store that does not answer is asked again at the next look, and raises at the last one.
    """
    if every_s > longest_s:
        raise ParameterError(
            f"a look every {every_s:g} s for {longest_s:g} s in all is none", "give --max a longer time than --watch"
        )
    begin = clock()
    due_s = 0.0 if at_once else every_s
    while True:
        wait(max(0.0, begin + due_s - clock()))
        found: Outcome | EngineError
        try:
            found = look()
        except EngineError as error:
            found = error
        # A look that took long is followed by the next one that is still to come.
        due_s += every_s * max(1, math.ceil((clock() - begin - due_s) / every_s))
        settled = not isinstance(found, EngineError) and found.verdict is not Verdict.INCONCLUSIVE
        if settled or due_s > longest_s:
            break
        report(f"no look: {found}" if isinstance(found, EngineError) else f"INCONCLUSIVE  {found.result['headline']}")
    if isinstance(found, EngineError):
        raise found
    return found
