"""What Kubernetes' own exporters say of workloads: replicas, autoscalers, pods, processor time.

A mesh says what was asked of a service; this says with how many copies, and why so many.

References
----------
kube-state-metrics, docs/metrics/workload; cAdvisor, docs/storage/prometheus.md.
"""

from meshlab.telemetry.kubernetes.autoscalers import Autoscalers
from meshlab.telemetry.kubernetes.gauges import Exporter, recorded
from meshlab.telemetry.kubernetes.workloads import Workloads

__all__ = ["Autoscalers", "Exporter", "Workloads", "recorded"]
