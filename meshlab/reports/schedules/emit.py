"""What a user deploys: schedules in the words of cron, systemd, Kubernetes, GitHub and Prometheus."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from meshlab.config import Auth, Profile
from meshlab.core.sanitize import plain
from meshlab.errors import CONTROL, ConfigError
from meshlab.reports.schedules.entries import Scheduled

__all__ = ["TARGETS", "Deployment", "Target", "alerts", "cronjobs", "crontab", "systemd", "units", "workflow"]

_GRACE: Final = timedelta(minutes=10)
_TRUST: Final = "MESHLAB_TRUST"
_USER: Final = 10_001


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
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    """Those of meshlab.toml: they name the variables that a job needs."""
    checksum: str = ""
    """Of meshlab.toml, which is trusted where it is deployed; empty where there is none."""

    def __post_init__(self) -> None:
        for what, text in (("folder", str(self.folder)), ("command", self.command), ("image", self.image)):
            if CONTROL.search(text):
                raise ConfigError(
                    f"the {what} {plain(text)} has a line break or a control character in its name",
                    "a timer cannot name it: rename it",
                )


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
        trusted = f"{_TRUST}={of.checksum} " if of.checksum else ""
        run = f"{trusted}{shlex.quote(of.command)} schedule run {report.name}"
        typed = f"cd {shlex.quote(str(of.folder))} && {run}"
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
        trusted = f"Environment={_TRUST}={of.checksum}\n" if of.checksum else ""
        values = {"name": report.name, "folder": folder, "command": command.replace('"', '\\"'), "trusted": trusted}
        for kind, text in (("service", _SERVICE), ("timer", _TIMER)):
            found[f"meshlab-{report.name}.{kind}"] = text.format(**values, calendar=report.cron.calendar())
    return found


def systemd(of: Deployment) -> str:
    """The same as one text, each file under a line with its name."""
    return "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units(of).items())


def cronjobs(of: Deployment) -> str:
    """A CronJob (batch/v1) per report, as a stream of YAML documents.

    Each mounts the ConfigMap ``meshlab`` (key ``meshlab.toml``) and the claim ``meshlab-reports``, and reads the
    environment of the Secret ``meshlab``, where there is one. They run as no user of importance, with no right of their
    own, on a file system that they cannot write but for their reports and a folder that goes away with them.
    """
    return "---\n".join(yaml.safe_dump(_cronjob(report, of), sort_keys=False) for report in of.reports)


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
        "jobs": {report.name: _job(report, of) for report in of.reports},
    }
    return yaml.safe_dump(document, sort_keys=False)


def alerts(of: Deployment) -> str:
    """A file of Prometheus rules about the metrics of `meshlab.reports.metrics`.

    An alert a report that fires ten minutes after a run was due, as the run before said (a weekend is no gap), or when
    none was ever seen.
    """
    rules = [_alert(report) for report in of.reports]
    return yaml.safe_dump({"groups": [{"name": "meshlab", "rules": rules}]}, sort_keys=False)


TARGETS: Final[Mapping[Target, Callable[[Deployment], str]]] = dict(
    zip(Target, (crontab, systemd, cronjobs, workflow, alerts), strict=True)
)
"""What writes it."""


def _cronjob(report: Scheduled, of: Deployment) -> dict[str, Any]:
    file = {"mountPath": "/srv/meshlab/meshlab.toml", "subPath": "meshlab.toml", "readOnly": True}
    container: dict[str, Any] = {
        "name": "report",
        "image": of.image,
        "workingDir": "/srv/meshlab",
        "command": ["meshlab", "schedule", "run", report.name],
        "env": [{"name": "HOME", "value": "/tmp"}],  # where caches and kernels keep their files
        "envFrom": [{"secretRef": {"name": "meshlab", "optional": True}}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", **file},
            {"name": "reports", "mountPath": "/srv/meshlab/out"},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
    if of.checksum:
        container["env"] = [*container["env"], {"name": _TRUST, "value": of.checksum}]
    config = {"name": "config", "configMap": {"name": "meshlab"}}
    claim = {"name": "reports", "persistentVolumeClaim": {"claimName": "meshlab-reports"}}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        # The group owns the claim, or nobody but root could write reports into it.
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [config, claim, {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
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


def _job(report: Scheduled, of: Deployment) -> dict[str, Any]:
    step: dict[str, Any] = {"run": f"meshlab schedule run {report.name}"}
    environment = {name: f"${{{{ secrets.{name} }}}}" for name in sorted(_variables(report, of.profiles))}
    if of.checksum:
        # Another meshlab.toml, such as that of a fork, is another file and gets no secret.
        environment[_TRUST] = of.checksum
    if environment:
        step["env"] = environment
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


def _variables(report: Scheduled, profiles: Mapping[str, Profile]) -> set[str]:
    """The variables that a report needs: those of its receivers, and those of the stores that it asks."""
    found = {receiver.url_env for receiver in report.notify}
    todo = [report.sweep.source if report.sweep else report.parameters.get("source", "")]
    while todo:
        name = todo.pop()
        if name in profiles:
            profile = profiles[name]
            found |= {profile.token_env, profile.password_env, *profile.header_env.values()}
            if profile.auth is Auth.SIGV4:
                found |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
            # One that is made of others has no variables of its own; those have no sources.
            todo += [one for one in profile.sources if one != name and one in profiles and not profiles[one].sources]
    return found - {""}


def _alert(report: Scheduled) -> dict[str, Any]:
    due = f'meshlab_report_next_run_timestamp_seconds{{report="{report.name}"}}'
    return {
        "alert": "MeshlabReportMissing",
        "expr": f"time() - max({due}) > {round(_GRACE.total_seconds())} or absent({due})",
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
{trusted}ExecStart="{command}" schedule run {name}
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
