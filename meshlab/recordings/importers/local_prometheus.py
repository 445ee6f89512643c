"""A Prometheus of this machine over TSDB blocks that stay untouched, for as long as they are read."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from meshlab.core.sanitize import shortened
from meshlab.errors import ParameterError, RecordingError

__all__ = ["serving"]

_READY_S: Final = 300.0
"""A long write-ahead log takes its time."""
_PAUSE_S: Final = 0.1


@contextmanager
def serving(blocks: Sequence[Path], heads: Sequence[Path], folder: Path) -> Iterator[str]:
    """Serve blocks on loopback.

    Parameters
    ----------
    blocks : sequence of Path
        Folders of blocks. They are linked, never written.
    heads : sequence of Path
        Data folders whose write-ahead log is read as well, one at most; it is copied.
    folder : Path
        An empty folder for the store.

    Yields
    ------
    str
        The server's address.

    Raises
    ------
    ParameterError
        There is no ``prometheus`` on the PATH.
    RecordingError
        It does not start.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise ParameterError(
            "TSDB blocks are read by a local prometheus, and there is none on the PATH",
            "install it (apt install prometheus), or start one on these blocks elsewhere and use meshlab record",
        )
    store = folder / "store"
    store.mkdir()
    for block in blocks:
        _link(block, store / block.resolve().name)
    for head in heads:
        for name in ("wal", "chunks_head", "wbl"):
            if (head / name).is_dir():
                shutil.copytree(head / name, store / name)
    (folder / "empty.yml").write_text("global: {}\n")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        program,
        f"--config.file={folder / 'empty.yml'}",
        f"--storage.tsdb.path={store}",
        # Nothing is too old.
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    log = folder / "log.txt"
    with log.open("w") as written:
        server = subprocess.Popen(command, stdout=written, stderr=written, stdin=subprocess.DEVNULL)
    try:
        _wait(server, url, log)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _link(block: Path, into: Path) -> None:
    """A folder of links: the server may remove or replace them, and never writes to what they lead to."""
    into.mkdir()
    for path in block.resolve().iterdir():
        if path.is_dir():
            _link(path, into / path.name)
        else:
            (into / path.name).symlink_to(path)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        try:
            if requests.get(f"{url}/-/ready", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        if server.poll() is not None:
            break
        time.sleep(_PAUSE_S)
    lines = log.read_text(errors="replace").strip().splitlines()
    said = shortened(lines[-1], 200) if lines else "it said nothing"
    raise RecordingError(f"the local prometheus does not read these blocks: {said}", "check that they are whole")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
