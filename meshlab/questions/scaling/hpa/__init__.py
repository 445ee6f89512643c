"""The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2), as functions without a clock.

`decide` is one sync period: what was observed goes in, the replicas wanted and why come out. The lab's autoscaler, the
replay of a recorded history and every what-if use it.

References
----------
kubernetes/kubernetes, pkg/controller/podautoscaler: replica_calculator.go, horizontal.go; config/v1alpha1/defaults.go;
pkg/apis/autoscaling/v2/defaults.go. Tolerances for each direction: KEP-4951.
"""

from meshlab.questions.scaling.hpa.behaviour import Event, History
from meshlab.questions.scaling.hpa.calculator import (
    NoMetrics,
    Pod,
    Sample,
    Tolerance,
    average_replicas,
    per_pod_replicas,
    resource_replicas,
    value_replicas,
)
from meshlab.questions.scaling.hpa.controller import Decision, decide
from meshlab.questions.scaling.hpa.manifest import Manifest
from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.replay import replay
from meshlab.questions.scaling.hpa.spec import Behaviour, HpaSpec, Kind, Policy, Rules, Select
from meshlab.questions.scaling.hpa.target import Target, TargetKind
from meshlab.questions.scaling.hpa.ticks import Ticks

__all__ = [
    "Behaviour",
    "Decision",
    "Event",
    "History",
    "HpaSpec",
    "Kind",
    "Manifest",
    "NoMetrics",
    "Pod",
    "Policy",
    "Reason",
    "Rules",
    "Sample",
    "Select",
    "Target",
    "TargetKind",
    "Ticks",
    "Tolerance",
    "average_replicas",
    "decide",
    "per_pod_replicas",
    "replay",
    "resource_replicas",
    "value_replicas",
]
