"""A real server for as long as a block lasts: started, waited for, and ended by its id."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

__all__ = ["free_port", "running"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], ready: str, log: Path) -> Iterator[None]:
    """Start a program, wait until a URL answers, and end it at the end; RuntimeError with its log if it ends before."""
    with log.open("w") as written:
        server = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        for _ in range(150):
            try:
                if requests.get(ready, timeout=2).ok:
                    break
            except requests.RequestException:
                pass
            if server.poll() is not None:
                raise RuntimeError(log.read_text()[-2000:])
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(30)
