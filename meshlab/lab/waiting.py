"""Letting time pass while watching that every part is still there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meshlab.errors import LabError

__all__ = ["Waiter", "Watch"]

Watch = Callable[[str, float, float], None]
"""Called again and again while the lab waits: what for, seconds done, seconds expected (0 when nobody knows)."""

_POLL_S: Final = 0.25


@dataclass(eq=False)
class Waiter:
    """Waits in short steps."""

    check: Callable[[], None]
    """Called in every step; raises when there is no point in waiting on."""
    watch: Watch | None
    """Called in every step."""

    def show(self, what: str) -> None:
        """Show what the lab is doing."""
        self._tell(what, 0.0, 0.0)

    def wait(
        self, what: str | Callable[[], str], seconds: float, *, done_s: float = 0.0, total_s: float | None = None
    ) -> None:
        """Let time pass; a negative time is none.

        Parameters
        ----------
        what : str or callable
            For the watcher; a callable is asked in every step.
        done_s, total_s : float, float or None
            Where this is a part of something longer: what has passed of it already, and its whole length.
        """
        start = time.monotonic()
        while (waited := time.monotonic() - start) < seconds:
            self.check()
            text = what if isinstance(what, str) else what()
            self._tell(text, done_s + waited, seconds if total_s is None else total_s)
            time.sleep(min(_POLL_S, seconds - waited))

    def until(self, what: str, missing: Callable[[], str], *, limit_s: float) -> None:
        """Wait until nothing is missing any more.

        Parameters
        ----------
        what : str
            For the watcher.
        missing : callable
            Says what is missing, or "".
        limit_s : float
            Longest time.

        Raises
        ------
        LabError
            It took longer.
        """
        start = time.monotonic()
        while lacking := missing():
            self.check()
            waited = time.monotonic() - start
            if waited > limit_s:
                raise LabError(f"the lab did not come up within {limit_s:.0f} s: {lacking}", "try again")
            self._tell(what, waited, 0.0)
            time.sleep(_POLL_S)

    def _tell(self, what: str, done_s: float, total_s: float) -> None:
        if self.watch is not None:
            self.watch(what, done_s, total_s)
