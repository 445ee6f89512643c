"""``meshlab doctor``: what is in a store, and what to ask of it next."""

from __future__ import annotations

from typing import Annotated

import typer

from meshlab.cli.options import SOURCE
from meshlab.cli.output import spinner, write
from meshlab.core import sanitize
from meshlab.reports.run.exits import INCONCLUSIVE

__all__ = ["doctor"]


def doctor(
    source: Annotated[str, typer.Argument(help=SOURCE)],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Time budget; remaining checks are skipped.")] = 10,
) -> None:
    """Find out what a store is, what burns there, what can be asked of it, and what to type next.

    At most 25 small queries. Exit codes: 0 something can be asked, 11 nothing can, 2 and 3 for errors.
    """
    import json
    from datetime import UTC, datetime

    from meshlab.doctor.examination import examine
    from meshlab.doctor.text import as_dict, as_text

    with spinner(f"examining {source}"):
        found = examine(source, here=datetime.now(UTC), longest_s=seconds)
    text = json.dumps(as_dict(found), indent=2, ensure_ascii=False) + "\n" if as_json else as_text(found)
    write(sanitize.json(text) if as_json else text)
    raise typer.Exit(0 if found.can_answer else INCONCLUSIVE)
