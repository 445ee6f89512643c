"""What a user deploys: schedules in the words of cron, systemd, Kubernetes, GitHub and Prometheus."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from meshlab.errors import ConfigError
from meshlab.reports.schedules.entries import Scheduled

__all__ = ["TARGETS", "Deployment", "Target", "alerts", "cronjobs", "crontab", "systemd", "units", "workflow"]

_GRACE: Final = timedelta(minutes=10)


class Target(StrEnum):
    """What a schedule is written for."""

    CRONTAB = "crontab"
    SYSTEMD = "systemd"
    CRONJOB = "cronjob"
    GITHUB = "github"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is deployed, and where."""

    reports: Sequence[Scheduled]
    folder: Path
    """Where meshlab.toml lies."""
    command: str
    """The ``meshlab`` program."""
    image: str
    """A container image with meshlab in it."""
    now: datetime
    """Aware; from where on the gaps between runs are looked at."""


def crontab(of: Deployment) -> str:
    """Lines for crontab(5).

    ``CRON_TZ`` is honoured by cronie and not by Debian's cron, which runs in the machine's zone: the text says so.
    """
    lines = ["# Install with: crontab FILE"]
    zone = ""
    for report in of.reports:
        if report.cron.zone != zone:
            zone = report.cron.zone
            lines.append(f"# Debian's cron does not know CRON_TZ: there the machine's own zone must be {zone}.")
            lines.append(f"CRON_TZ={zone}")
        typed = f"cd {shlex.quote(str(of.folder))} && {shlex.quote(of.command)} schedule run {report.name}"
        # cron reads a percent sign as the end of the command.
        lines.append(f"{report.cron.text} {typed.replace('%', chr(92) + '%')}")
    return "\n".join(lines) + "\n"


def units(of: Deployment) -> dict[str, str]:
    """A service and a timer for systemd(1) per report, by the names of their files.

    Raises
    ------
    ConfigError
        systemd cannot say when a report runs.
    """
    folder, command = (text.replace("%", "%%").replace("\\", "\\\\") for text in (str(of.folder), of.command))
    found = {}
    for report in of.reports:
        values = {"name": report.name, "folder": folder, "command": command.replace('"', '\\"')}
        for kind, text in (("service", _SERVICE), ("timer", _TIMER)):
            found[f"meshlab-{report.name}.{kind}"] = text.format(**values, calendar=report.cron.calendar())
    return found


def systemd(of: Deployment) -> str:
    """The same as one text, each file under a line with its name."""
    return "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units(of).items())


def cronjobs(of: Deployment) -> str:
    """A CronJob (batch/v1) per report, as a stream of YAML documents.

    Each mounts the ConfigMap ``meshlab`` (key ``meshlab.toml``) and the claim ``meshlab-reports``, and reads the
    environment of the Secret ``meshlab``, where there is one.
    """
    return "---\n".join(yaml.safe_dump(_cronjob(report, of.image), sort_keys=False) for report in of.reports)


def workflow(of: Deployment) -> str:
    """One workflow for GitHub Actions with a job a report.

    Raises
    ------
    ConfigError
        A report has a time zone: GitHub's timers go by UTC.
    """
    for report in of.reports:
        if report.cron.zone != "UTC":
            what = f"report {report.name} runs by {report.cron.zone}, and GitHub's timers go by UTC"
            raise ConfigError(what, 'write its cron for tz = "UTC"')
    times = sorted({report.cron.text for report in of.reports})
    document = {
        "name": "meshlab",
        "on": {"schedule": [{"cron": text} for text in times], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "jobs": {report.name: _job(report) for report in of.reports},
    }
    return yaml.safe_dump(document, sort_keys=False)


def alerts(of: Deployment) -> str:
    """A file of Prometheus rules about the metrics of `meshlab.reports.metrics`.

    An alert a report that fires when its last run is older than its longest gap and ten minutes, or was never seen.
    """
    rules = [_alert(report, report.cron.longest_gap(of.now) + _GRACE) for report in of.reports]
    return yaml.safe_dump({"groups": [{"name": "meshlab", "rules": rules}]}, sort_keys=False)


TARGETS: Final[Mapping[Target, Callable[[Deployment], str]]] = dict(
    zip(Target, (crontab, systemd, cronjobs, workflow, alerts), strict=True)
)
"""What writes it."""


def _cronjob(report: Scheduled, image: str) -> dict[str, Any]:
    file = {"mountPath": "/srv/meshlab/meshlab.toml", "subPath": "meshlab.toml", "readOnly": True}
    container = {
        "name": "report",
        "image": image,
        "workingDir": "/srv/meshlab",
        "command": ["meshlab", "schedule", "run", report.name],
        "envFrom": [{"secretRef": {"name": "meshlab", "optional": True}}],
        "volumeMounts": [{"name": "config", **file}, {"name": "reports", "mountPath": "/srv/meshlab/out"}],
    }
    config = {"name": "config", "configMap": {"name": "meshlab"}}
    claim = {"name": "reports", "persistentVolumeClaim": {"claimName": "meshlab-reports"}}
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": [config, claim]}
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


def _job(report: Scheduled) -> dict[str, Any]:
    variables = sorted({receiver.url_env for receiver in report.notify if receiver.url_env})
    step: dict[str, Any] = {"run": f"meshlab schedule run {report.name}"}
    if variables:
        step["env"] = {name: f"${{{{ secrets.{name} }}}}" for name in variables}
    kept = {"name": report.name, "path": f"out/{report.name}"}
    return {
        "if": f"github.event_name == 'workflow_dispatch' || github.event.schedule == '{report.cron.text}'",
        "runs-on": "ubuntu-latest",
        "steps": [
            {"uses": "actions/checkout@v4"},
            {"uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
            {"run": "pip install meshlab"},
            step,
            {"if": "always()", "uses": "actions/upload-artifact@v4", "with": kept},
        ],
    }


def _alert(report: Scheduled, late: timedelta) -> dict[str, Any]:
    last_run = f'meshlab_report_last_run_timestamp_seconds{{report="{report.name}"}}'
    return {
        "alert": "MeshlabReportMissing",
        "expr": f"time() - max({last_run}) > {round(late.total_seconds())} or absent({last_run})",
        "for": "5m",
        "labels": {"severity": "warning", "report": report.name},
        "annotations": {
            "summary": f"The meshlab report {report.name} did not run.",
            "description": f"It runs at {report.cron.text} ({report.cron.zone}); look at the job's log.",
        },
    }


# A verdict is no failure of the unit: 10 and 11 say what was found.
_SERVICE: Final = """\
[Unit]
Description=meshlab report {name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart="{command}" schedule run {name}
SuccessExitStatus=10 11
"""

_TIMER: Final = """\
[Unit]
Description=When the meshlab report {name} runs

[Timer]
OnCalendar={calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""
