"""``meshlab notebooks``: what can be asked, and with which parameters."""

from __future__ import annotations

from pathlib import Path

from meshlab.cli.output import say

__all__ = ["notebooks"]


def notebooks() -> None:
    """List the notebooks that can be run by name, with their parameters."""
    from meshlab.reports.run.notebooks import available

    for notebook in available(Path.cwd()):
        say(f"{notebook.name}  {notebook.title}".rstrip())
        typed = [(f"{p.name}={p.typed}", p.help) for p in notebook.parameters]
        width = max((len(text) for text, _ in typed), default=0)
        for text, meaning in typed:
            say(f"  -p {text:<{width}}  {meaning}".rstrip())
