"""``meshlab trust``: let a repository's meshlab.toml name variables, files and receivers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshlab.cli.output import say
from meshlab.errors import ConfigError

__all__ = ["trust"]


def trust(
    folder: Annotated[Path, typer.Argument(help="The folder with meshlab.toml, or one below it.")] = Path(),
    listed: Annotated[bool, typer.Option("--list", help="List the files that are trusted.")] = False,
    revoked: Annotated[bool, typer.Option("--revoke", help="Trust the file no longer.")] = False,
) -> None:
    """Trust a repository's meshlab.toml, as it is now.

    Below a version-controlled folder a meshlab.toml may name addresses. Variables, files, receivers and Dask
    schedulers it may name once its checksum was recorded; when the file changes, it is asked again. In CI,
    MESHLAB_TRUST=CHECKSUM says the same.
    """
    from meshlab.config import files
    from meshlab.config import trust as trusting

    if listed:
        for name, known in sorted(trusting.recorded().items()):
            say(f"{known}  {name}  {_state(Path(name), known)}")
        return
    start = folder.resolve()
    if revoked:
        path = files.nearest(start) or start / files.FILE
        was = trusting.revoke(path)
        say(f"{path} is no longer trusted" if was else f"{path} was not trusted")
        return
    found = files.nearest(start)
    if found is None:
        raise ConfigError(f"there is no meshlab.toml in {start} or above it", "name the folder that has one")
    data = trusting.read(found)
    files.parsed(found, data)
    for kind, name, keys in files.guarded(found, data):
        say(f"{kind} {name} names {', '.join(keys)}")
    say(f"trusted: {found} with the checksum {trusting.record(found, data)}")


def _state(path: Path, known: str) -> str:
    from meshlab.config import trust as trusting

    try:
        return "as it was" if trusting.checksum(trusting.read(path)) == known else "changed since: not trusted"
    except ConfigError:
        return "gone"
