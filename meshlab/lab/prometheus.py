"""The lab's Prometheus: what it scrapes, under which names, and how it is started."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from meshlab.lab.addresses import ADMIN_PORT, CADVISOR_PORT, KUBE_STATE_PORT
from meshlab.lab.sidecar.telemetry import METADATA
from meshlab.lab.topology import Replica

__all__ = ["JOB", "command", "configuration", "targets"]

JOB: Final = "envoy-stats"


def configuration(targets_url: str, kube: str, scrape_interval_s: int) -> dict[str, Any]:
    """Prometheus's configuration for a lab; JSON is YAML.

    Parameters
    ----------
    targets_url : str
        Where it learns which sidecars there are.
    kube : str
        Address of the emulated exporters.
    """
    return {
        "global": {"scrape_interval": f"{scrape_interval_s}s", "scrape_timeout": f"{scrape_interval_s}s"},
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": "/stats/prometheus",
                "http_sd_configs": [{"url": targets_url, "refresh_interval": "1s"}],
                "metric_relabel_configs": [
                    {
                        # Envoy cannot drop its own prefix; Istio's names have none.
                        "source_labels": ["__name__"],
                        "regex": f"envoy_{METADATA}_(istio_.*)",
                        "target_label": "__name__",
                        "replacement": "$1",
                    }
                ],
            },
            *(
                {
                    "job_name": job,
                    "honor_labels": True,
                    "static_configs": [{"targets": [f"{kube}:{port}"]}],
                    "metric_relabel_configs": [
                        # The Python client's own metrics are none of such an exporter's.
                        {"source_labels": ["__name__"], "regex": "(kube|container)_.*", "action": "keep"}
                    ],
                }
                for job, port in (("kube-state-metrics", KUBE_STATE_PORT), ("cadvisor", CADVISOR_PORT))
            ),
        ],
    }


def targets(replicas: Iterable[Replica]) -> list[dict[str, Any]]:
    """The sidecars to scrape, as Prometheus's HTTP discovery wants them."""
    return [
        {
            "targets": [f"{replica.address}:{ADMIN_PORT}"],
            "labels": {"namespace": replica.namespace, "pod": replica.pod},
        }
        for replica in replicas
        if replica.spec.sidecar
    ]


def command(binary: str, folder: Path, config: dict[str, Any], address: tuple[str, int]) -> list[str]:
    """Write the configuration into `folder`, and build the command line.

    Parameters
    ----------
    binary : str
        Path of Prometheus.
    folder : Path
        For the configuration and the data; both are small and temporary.
    config : dict
        From `configuration`.
    address : (str, int)
        Where it listens.
    """
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return [
        binary,
        f"--config.file={path}",
        f"--web.listen-address={address[0]}:{address[1]}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        "--storage.tsdb.retention.time=12h",
        "--storage.tsdb.retention.size=512MB",
        "--log.level=warn",
    ]
