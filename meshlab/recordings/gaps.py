"""Time in which there is nothing, jumped over: a long gap costs its logarithm, not its length."""

from __future__ import annotations

from typing import Final

from meshlab.core.times import from_ms
from meshlab.engines.base import Engine
from meshlab.errors import EngineError
from meshlab.recordings.pieces import Piece

__all__ = ["Gap"]

_SHORTEST_MS: Final = 3_600_000
"""A gap is suspected after so long."""
_DAY_MS: Final = 86_400_000
_FRESH_MS: Final = 600_000
"""What was just scraped, queries of some stores do not see yet."""


class Gap:
    """Finds empty stretches: each is twice as long as the one before, until there is something in it; then half.

    The engine counts what is in a stretch and sends nothing of it. Where it counts something, or cannot, the stretch is
    fetched piece by piece.

    Parameters
    ----------
    engine : Engine
    selector : str
    longest_piece_ms : int
        A stretch in which there is something is not halved any more when it is as short.
    """

    def __init__(self, engine: Engine, selector: str, longest_piece_ms: int) -> None:
        self._engine, self._selector = engine, selector
        self._piece_ms = longest_piece_ms
        self._so_far_ms = 0
        self._data_before = 0

    def saw(self, piece: Piece) -> None:
        """Take note of a piece, which may prolong the gap or end it."""
        self._so_far_ms = 0 if piece.samples else self._so_far_ms + piece.end_ms - piece.start_ms

    def end(self, at: int, until: int) -> int:
        """Where an empty stretch that begins here ends, unix milliseconds; 0 where it is not known to be empty."""
        if self._so_far_ms < _SHORTEST_MS:
            return 0
        length = max(2 * self._so_far_ms, self._piece_ms)
        if at < self._data_before:
            length = (self._data_before - at) // 2
        end = min(at + length, until - _FRESH_MS)
        while end - at >= self._piece_ms:
            if self._is_empty(at, end):
                return end
            self._data_before, end = end, at + (end - at) // 2
        return 0

    def _is_empty(self, at: int, end: int) -> bool:
        # A range of Prometheus 2 holds its first instant, which belongs to the piece before.
        days, rest = divmod(end - at - (0 if self._engine.left_open else 1), _DAY_MS)
        length = (f"{days}d" if days else "") + (f"{rest}ms" if rest else "")
        try:
            found = self._engine.query(f"count(count_over_time({self._selector}[{length}]))", from_ms(end))
        except EngineError:
            return False
        return not len(found.value) and found.query.complete and not found.query.warnings
