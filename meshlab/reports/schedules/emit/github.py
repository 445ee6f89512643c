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
    for one in reports:
        if one.cron.zone != "UTC":
            raise ConfigError(
                f"report {one.name} runs by {one.cron.zone}, and GitHub's timers go by UTC",
                'write its cron for tz = "UTC"',
            )
    times = sorted({one.cron.text for one in reports})
    told = {
        "name": "meshlab",
        "on": {"schedule": [{"cron": text} for text in times], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "jobs": {one.name: _job(one) for one in reports},
    }
    return yaml.safe_dump(told, sort_keys=False)


def _job(one: Scheduled) -> dict[str, Any]:
    variables = sorted({to.url_env for to in one.notify if to.url_env})
    step: dict[str, Any] = {"run": f"meshlab schedule run {one.name}"}
    if variables:
        step["env"] = {name: f"${{{{ secrets.{name} }}}}" for name in variables}
    return {
        "if": f"github.event_name == 'workflow_dispatch' || github.event.schedule == '{one.cron.text}'",
        "runs-on": "ubuntu-latest",
        "steps": [
            {"uses": "actions/checkout@v4"},
            {"uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
            {"run": "pip install meshlab"},
            step,
            {
                "if": "always()",
                "uses": "actions/upload-artifact@v4",
                "with": {"name": one.name, "path": f"out/{one.name}"},
            },
        ],
    }
