"""Prometheus rules that say when a report did not run, or found something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import yaml

from meshlab.reports.schedules.entries import Scheduled

__all__ = ["alerts"]

_GRACE = timedelta(minutes=10)


def alerts(reports: Sequence[Scheduled], *, now: datetime) -> str:
    """A file of rules about the metrics of `meshlab.reports.metrics`.

    Parameters
    ----------
    reports : sequence of Scheduled
    now : datetime
        Aware; from where on the gaps between runs are looked at.

    Returns
    -------
    str
        An alert a report that fires when its last run is older than its longest gap and ten minutes, or was never seen.
    """
    rules = []
    for report in reports:
        late_s = round((report.cron.longest_gap(now) + _GRACE).total_seconds())
        last_run = f'meshlab_report_last_run_timestamp_seconds{{report="{report.name}"}}'
        rules.append(
            {
                "alert": "MeshlabReportMissing",
                "expr": f"time() - max({last_run}) > {late_s} or absent({last_run})",
                "for": "5m",
                "labels": {"severity": "warning", "report": report.name},
                "annotations": {
                    "summary": f"The meshlab report {report.name} did not run.",
                    "description": f"It runs at {report.cron.text} ({report.cron.zone}); look at the job's log.",
                },
            }
        )
    return yaml.safe_dump({"groups": [{"name": "meshlab", "rules": rules}]}, sort_keys=False)
