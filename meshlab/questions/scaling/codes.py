"""The codes of the scaling question: what each finding says, what causes it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Code

__all__ = ["CODES"]

CODES: Final[Mapping[str, Code]] = {
    "001": Code(
        "share of the intervals in which a replica ran past its saturation point (`beyond_*`; required)",
        "too few replicas, or added too late",
        "scale out earlier",
    ),
    "002": Code("throughput of a saturated replica, with its interval"),
    "003": Code("concurrency per replica up to which the p99 meets `slo_ms`"),
    "004": Code(
        "share of the time with fewer ready replicas than the traffic needed (`short_*`; required where "
        "replicas are exported)",
        "a high target, slow pod starts, too few replicas at least",
        "raise `minReplicas`, or lower the target",
    ),
    "005": Code(
        "scale-downs reversed within ten minutes (`reversals_fail`), and the stabilization window that prevents it "
        "(required where there is an autoscaler)",
        "a window shorter than the load's swings",
        "set `scaleDown.stabilizationWindowSeconds`",
    ),
    "006": Code(
        "share of the sync periods that Kubernetes' algorithm explains, and the causes",
        "settings that are not exported, or something else that scales",
        "set `hpa_file` and `sync_s`",
    ),
    "007": Code(
        "how long the autoscaler needed more than its maximum, or had no metric",
        "a low maximum; a metric that is gone",
        "raise `maxReplicas`; restore the metric",
    ),
    "008": Code("from a scaling decision to a ready pod and its first request", "images, probes, nodes"),
    "009": Code("capacity of another version in the window, compared with the busiest", "", "profile its requests"),
    "010": Code("CPU time of the sidecar, idle and per 1,000 requests"),
    "011": Code(
        "whether durations and the source proxies' gauges agree on the concurrency within 15 %",
        "retries, local replies, callers outside the mesh",
        "do not rely on the saturation point",
    ),
}
