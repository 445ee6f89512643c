"""A real service mesh on one machine: Envoy sidecars with mTLS, workloads, load and a Prometheus.

Start with `meshlab.lab.lab.Lab`, or with ``meshlab lab run canary-regression``.
"""
