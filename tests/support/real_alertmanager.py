"""A real Alertmanager over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real_server import free_port, running

__all__ = ["serving_alertmanager"]

# Nobody is told: the alerts themselves are looked at.
_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@contextmanager
def serving_alertmanager(folder: Path, *, binary: str) -> Iterator[str]:
    """Serve; yields the URL, ends the server by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(_CONFIG)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={folder / 'config.yml'}",
        f"--storage.path={folder / 'store'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with running(command, f"{url}/-/ready", folder / "log.txt"):
        yield url
