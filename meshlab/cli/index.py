"""``meshlab index``: one page over all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshlab.cli.output import say

__all__ = ["index"]


def index(
    folder: Annotated[Path, typer.Argument(help="Where the runs of reports or sweeps are, at any depth.")],
) -> None:
    """Write one page over all runs below a folder, with the verdicts of each subject over time."""
    from meshlab.reports.index import write_index

    say(write_index(folder))
