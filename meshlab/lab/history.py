"""What the load saw, second by second: the client's side of the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final

import numpy as np

__all__ = ["History"]

_LATENCY_S: Final = 10


class History:
    """Counts by second of sending, latencies by ten seconds.

    A request belongs to the second in which it was sent, whenever its answer came.
    """

    def __init__(self) -> None:
        self._sent: Counter[int] = Counter()
        self._answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._latencies: defaultdict[int, list[float]] = defaultdict(list)

    def sent(self, at_s: float) -> None:
        """A request was sent."""
        self._sent[int(at_s)] += 1

    def answered(self, sent_s: float, answer: str, seconds: float) -> None:
        """An answer came: a status, ``timeout`` or ``failed``."""
        kind = f"{answer[0]}xx" if answer.isdigit() else answer
        self._answers[kind][int(sent_s)] += 1
        if answer.isdigit():
            self._latencies[int(sent_s) // _LATENCY_S].append(seconds)

    def to_dict(self) -> dict[str, Any]:
        """Lists, one entry a second, and latency quantiles in milliseconds, one entry every ten.

        Returns
        -------
        dict
            ``sent``, ``answered`` (by class), ``latency_every_s``, ``p50_ms``, ``p99_ms`` (null where nothing was
            answered).
        """
        length = max(self._sent, default=-1) + 1
        tens = range(-(-length // _LATENCY_S))
        quantiles = [_quantiles(self._latencies.get(number, [])) for number in tens]
        return {
            "sent": [self._sent[second] for second in range(length)],
            "answered": {
                kind: [counts[second] for second in range(length)] for kind, counts in sorted(self._answers.items())
            },
            "latency_every_s": _LATENCY_S,
            "p50_ms": [p50 for p50, _ in quantiles],
            "p99_ms": [p99 for _, p99 in quantiles],
        }


def _quantiles(seconds: list[float]) -> tuple[float | None, float | None]:
    if not seconds:
        return None, None
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1000
    return round(float(p50), 1), round(float(p99), 1)
