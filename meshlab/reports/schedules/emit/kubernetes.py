"""A CronJob (batch/v1) per report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from meshlab.reports.schedules.entries import Scheduled

__all__ = ["cronjobs"]


def cronjobs(reports: Sequence[Scheduled], *, image: str) -> str:
    """CronJobs as a stream of YAML documents.

    Parameters
    ----------
    reports : sequence of Scheduled
    image : str
        A container image with meshlab in it.

    Returns
    -------
    str
        Each mounts the ConfigMap ``meshlab`` (key ``meshlab.toml``) and the claim ``meshlab-reports``, and reads the
        environment of the Secret ``meshlab``, where there is report.
    """
    return "---\n".join(yaml.safe_dump(_cronjob(report, image), sort_keys=False) for report in reports)


def _cronjob(report: Scheduled, image: str) -> dict[str, Any]:
    container = {
        "name": "report",
        "image": image,
        "workingDir": "/srv/meshlab",
        "command": ["meshlab", "schedule", "run", report.name],
        "envFrom": [{"secretRef": {"name": "meshlab", "optional": True}}],
        "volumeMounts": [
            {"name": "config", "mountPath": "/srv/meshlab/meshlab.toml", "subPath": "meshlab.toml", "readOnly": True},
            {"name": "reports", "mountPath": "/srv/meshlab/out"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "meshlab"}},
            {"name": "reports", "persistentVolumeClaim": {"claimName": "meshlab-reports"}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"meshlab-{report.name}", "labels": {"app.kubernetes.io/name": "meshlab"}},
        "spec": {
            "schedule": report.cron.text,
            "timeZone": report.cron.zone,
            "concurrencyPolicy": "Forbid",
            # A bad verdict ends with 10: to try again would not make it better.
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}},
        },
    }
