"""A workflow for GitHub Actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from meshlab.errors import ConfigError
from meshlab.reports.schedules.entries import Scheduled

__all__ = ["workflow"]


def workflow(reports: Sequence[Scheduled]) -> str:
    """One workflow with a job a report.

    Parameters
    ----------
    reports : sequence of Scheduled

    Raises
    ------
    ConfigError
        A report has a time zone: GitHub's timers go by UTC.
    """
    for report in reports:
        if report.cron.zone != "UTC":
            raise ConfigError(
                f"report {report.name} runs by {report.cron.zone}, and GitHub's timers go by UTC",
                'write its cron for tz = "UTC"',
            )
    times = sorted({report.cron.text for report in reports})
    document = {
        "name": "meshlab",
        "on": {"schedule": [{"cron": text} for text in times], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "jobs": {report.name: _job(report) for report in reports},
    }
    return yaml.safe_dump(document, sort_keys=False)


def _job(report: Scheduled) -> dict[str, Any]:
    variables = sorted({receiver.url_env for receiver in report.notify if receiver.url_env})
    step: dict[str, Any] = {"run": f"meshlab schedule run {report.name}"}
    if variables:
        step["env"] = {name: f"${{{{ secrets.{name} }}}}" for name in variables}
    return {
        "if": f"github.event_name == 'workflow_dispatch' || github.event.schedule == '{report.cron.text}'",
        "runs-on": "ubuntu-latest",
        "steps": [
            {"uses": "actions/checkout@v4"},
            {"uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
            {"run": "pip install meshlab"},
            step,
            {
                "if": "always()",
                "uses": "actions/upload-artifact@v4",
                "with": {"name": report.name, "path": f"out/{report.name}"},
            },
        ],
    }
