"""The lab's Prometheus: what it scrapes, under which names, and how it is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from meshlab.lab.addresses import ADMIN_PORT
from meshlab.lab.telemetry import METADATA
from meshlab.lab.topology import Topology

__all__ = ["JOB", "command", "configuration"]

JOB: Final = "envoy-stats"


def configuration(topology: Topology, scrape_interval_s: int) -> dict[str, Any]:
    """Prometheus's configuration for a lab; JSON is YAML."""
    targets = [
        {
            "targets": [f"{workload.address}:{ADMIN_PORT}"],
            "labels": {"namespace": workload.namespace, "pod": workload.pod},
        }
        for workload in topology.workloads
    ]
    return {
        "global": {"scrape_interval": f"{scrape_interval_s}s", "scrape_timeout": f"{scrape_interval_s}s"},
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": "/stats/prometheus",
                "static_configs": targets,
                "metric_relabel_configs": [
                    {
                        # Envoy cannot drop its own prefix; Istio's names have none.
                        "source_labels": ["__name__"],
                        "regex": f"envoy_{METADATA}_(istio_.*)",
                        "target_label": "__name__",
                        "replacement": "$1",
                    }
                ],
            }
        ],
    }


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
