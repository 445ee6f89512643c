"""How late the parts' event loops run, and when that spoils a recording."""

from __future__ import annotations

from meshlab.errors import LabError
from meshlab.lab.lag import LAG_LIMIT_MS

__all__ = ["Lags", "late_parts", "refuse_lag", "worse"]

Lags = dict[str, dict[str, float]]
"""By part: ``p99_ms``, ``max_ms`` and ``samples``, as `meshlab.lab.lag.LagMeter.take` gives them."""


def worse(worst: dict[str, float] | None, lags: dict[str, float]) -> dict[str, float]:
    """The worse of two readings, figure by figure; samples add up."""
    if worst is None:
        return lags
    return {key: worst[key] + lags[key] if key == "samples" else max(worst[key], lags[key]) for key in lags}


def late_parts(lags: Lags) -> list[str]:
    """Parts over the limit, the worst first. The 99th percentile: one hiccup of the machine spoils no recording."""
    late = [name for name, lag in lags.items() if lag["p99_ms"] > LAG_LIMIT_MS]
    return sorted(late, key=lambda name: -lags[name]["p99_ms"])


def refuse_lag(when: str, lags: Lags, force: bool) -> None:
    """Raise LabError where a part is over the limit, unless forced."""
    late = late_parts(lags)
    if late and not force:
        raise LabError(
            f"the event loop of {late[0]} runs {lags[late[0]]['p99_ms']:.0f} ms late {when},"
            f" and above {LAG_LIMIT_MS:.0f} ms the latencies would be the machine's own",
            "free the machine, lower load.rate_per_s, or go on all the same with --force",
        )
