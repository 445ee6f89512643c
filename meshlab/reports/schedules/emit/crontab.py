"""Lines for crontab(5)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from meshlab.reports.schedules.entries import Scheduled

__all__ = ["crontab"]


def crontab(reports: Sequence[Scheduled], *, folder: Path, command: str) -> str:
    """A crontab.

    Parameters
    ----------
    reports : sequence of Scheduled
    folder : Path
        Where meshlab.toml lies.
    command : str
        The ``meshlab`` program.

    Returns
    -------
    str
        ``CRON_TZ`` is honoured by cronie and not by Debian's cron, which runs in the machine's zone: the text says so.
    """
    lines = ["# Install with: crontab FILE"]
    zone = ""
    for report in reports:
        if report.cron.zone != zone:
            zone = report.cron.zone
            lines += [
                f"# Debian's cron does not know CRON_TZ: there the machine's own zone must be {zone}.",
                f"CRON_TZ={zone}",
            ]
        typed = f"cd {shlex.quote(str(folder))} && {shlex.quote(command)} schedule run {report.name}"
        # cron reads a percent sign as the end of the command.
        lines.append(f"{report.cron.text} {typed.replace('%', chr(92) + '%')}")
    return "\n".join(lines) + "\n"
