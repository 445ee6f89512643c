"""A service and a timer for systemd(1) per report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meshlab.reports.schedules.entries import Scheduled

__all__ = ["systemd", "units"]


def units(reports: Sequence[Scheduled], *, folder: Path, command: str) -> dict[str, str]:
    """Unit files by their names.

    Parameters
    ----------
    reports : sequence of Scheduled
    folder : Path
        Where meshlab.toml lies.
    command : str
        The ``meshlab`` program.

    Raises
    ------
    ConfigError
        systemd cannot say when a report runs.
    """
    found = {}
    for report in reports:
        name = f"meshlab-{report.name}"
        found[f"{name}.service"] = _SERVICE.format(
            name=report.name, folder=_escaped(str(folder)), command=_escaped(command).replace('"', '\\"')
        )
        found[f"{name}.timer"] = _TIMER.format(name=report.name, calendar=report.cron.calendar())
    return found


def systemd(reports: Sequence[Scheduled], *, folder: Path, command: str) -> str:
    """The same as one text, each file under a line with its name."""
    files = units(reports, folder=folder, command=command)
    return "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in files.items())


def _escaped(text: str) -> str:
    return text.replace("%", "%%").replace("\\", "\\\\")


# A verdict is no failure of the unit: 10 and 11 say what was found.
_SERVICE = """\
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

_TIMER = """\
[Unit]
Description=When the meshlab report {name} runs

[Timer]
OnCalendar={calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""
