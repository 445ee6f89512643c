"""The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2), as functions without a clock.

`decide` is one sync period: observations go in, the desired replicas and the reason come out. The lab's autoscaler, the
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
    average_replicas,
    per_pod_replicas,
    resource_replicas,
    value_replicas,
)
from meshlab.questions.scaling.hpa.controller import Decision, decide
from meshlab.questions.scaling.hpa.manifest import Manifest
from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.replay import replay
from meshlab.questions.scaling.hpa.spec import (
    Behaviour,
    HpaSpec,
    PolicyType,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Tolerance,
)
from meshlab.questions.scaling.hpa.target import Target, TargetKind
from meshlab.questions.scaling.hpa.ticks import Ticks

__all__ = [
    "Behaviour",
    "Decision",
    "Event",
    "History",
    "HpaSpec",
    "Manifest",
    "NoMetrics",
    "Pod",
    "PolicyType",
    "Reason",
    "Sample",
    "ScalingPolicy",
    "ScalingRules",
    "SelectPolicy",
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
