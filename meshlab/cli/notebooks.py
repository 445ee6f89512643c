"""``meshlab notebooks``: what can be asked, and with which parameters."""

from __future__ import annotations

from pathlib import Path

from meshlab.cli.output import say
from meshlab.core.sanitize import plain

__all__ = ["notebooks"]


def notebooks() -> None:
    """List the notebooks that can be run by name, with their parameters."""
    from meshlab.reports.run.notebooks import available

    lines: list[str] = []
    for notebook in available(Path.cwd()):
        lines.append(f"{plain(notebook.name)}  {plain(notebook.title)}".rstrip())
        typed = [(plain(f"{p.name}={p.typed}"), plain(p.help)) for p in notebook.parameters]
        width = max((len(text) for text, _ in typed), default=0)
        lines += [f"  -p {text:<{width}}  {meaning}".rstrip() for text, meaning in typed]
    say("".join(f"{line}\n" for line in lines))
