"""The codes of the canary question: what each finding says, what causes it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Code

__all__ = ["CODES"]

_NEW: Final = "the new version"
_ROLL_BACK: Final = "roll back, or send more requests"

CODES: Final[Mapping[str, Code]] = {
    "001": Code("error rate within its margin, `error_margin_*` (required)", _NEW, _ROLL_BACK),
    "002": Code(
        "probability of being slower within one half plus `latency_margin` (required)",
        f"{_NEW}; durations that are not exported",
        f"{_ROLL_BACK}; export request durations",
    ),
    "003": Code(
        "both versions measured in `min_coverage` of the window, and every query answered whole (required)",
        "a version that started late, gaps in the scraping",
        "move the window, look for the gaps",
    ),
    "004": Code(
        "observed split equals `canary_weight` (required where that is set)",
        "requests that are lost or routed past the weights",
        "find out where",
    ),
    "005": Code(
        "source and destination reporters agree: requests within 5 %, errors within the margin",
        "retries, refused connections, callers outside the mesh",
        "look between the two sides",
    ),
    "006": Code("errors do not come in bursts", "a shared dependency, a node", "look for the shared cause"),
    "007": Code(
        "blue/green and mirror: what the way of trying means for the comparison",
        "versions that did not serve together, live requests at a mirror",
        "let both serve together; take a mirror out of the split",
    ),
    "008": Code(
        "share of slow requests within its margin, at every bucket edge above the baseline's median or at `slo_ms` "
        "(required)",
        _NEW,
        f"{_ROLL_BACK}; set `slo_ms`",
    ),
    "009": Code("pods: since when, how many, as busy as the others', no restarts", "crashes", "scale both alike"),
    "010": Code(
        "no caller, caller's cluster or host for which the canary is worse, and the same mix for both arms (required "
        "where there are several)",
        "routing by caller or host",
        "roll back, or route by the same weights",
    ),
    "011": Code(
        "A/A: how often the judge fails the baseline against itself (`calibrate`)",
        "pods of the baseline that differ",
        "start the window well before the canary",
    ),
    "013": Code(
        "requests to the service that reached no version, by flag: they may be the canary's (required where they "
        "would change the verdict)",
        "no healthy pod, refused connections, a route or subset that is gone",
        "find out where they were sent, and why no pod took them",
    ),
    "012": Code("the smallest regression that these data would have shown", "little traffic", "more traffic"),
}
