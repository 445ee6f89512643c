"""The kernel that a report runs in: this interpreter, private to the run, with nothing to say on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

__all__ = ["managers", "settings"]

# A Unix socket's path may have 107 characters on Linux and 103 on macOS.
_LONGEST_SOCKET: Final = 100


@contextmanager
def managers() -> Iterator[type[AsyncKernelManager]]:
    """A class of managers for one run, whose kernels are dead when the run ends.

    nbclient stops a kernel that it has spoken to. One that was interrupted between its launch and its first answer
    would live on for a second, and write into the run's folder while that is removed, or after.
    """
    begun: list[AsyncKernelManager] = []

    class PrivateKernelManager(AsyncKernelManager):
        """Starts this very interpreter, whatever ``python3`` kernels the user has installed."""

        @property
        def kernel_spec(self) -> KernelSpec:
            """The command of the kernel; without a history file, which parallel runs would fight for.

            The folder that it works in is not on its path: a `pandas.py` that lies there is nobody's pandas.
            """
            command = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(
                argv=[*command, "--HistoryManager.enabled=False", "--IPKernelApp.ignore_cwd=True"],
                env={"PYTHONSAFEPATH": "1"},
                display_name="Python 3",
                language="python",
                interrupt_mode="signal",
            )

        async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
            """Start it, with what the process itself prints (never a cell's output) thrown away."""
            begun.append(self)
            await super().start_kernel(**{**kwargs, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL})

    try:
        yield PrivateKernelManager
    finally:
        for manager in begun:
            process = getattr(manager.provisioner, "process", None)
            if process is not None:
                process.kill()
                process.wait()


def settings(folder: Path) -> Config:
    """Where kernel and client meet: sockets in a private folder, TCP on the loopback where those cannot be.

    Parameters
    ----------
    folder : Path
        Exists, is readable by this user alone, and goes away after the run.
    """
    meeting: dict[str, str] = {"connection_file": str(folder / "kernel.json")}
    socket = str(folder / "k")
    if os.name == "posix" and len(f"{socket}-1") <= _LONGEST_SOCKET:
        meeting |= {"transport": "ipc", "ip": socket}
    return Config({"ConnectionFileMixin": meeting})
