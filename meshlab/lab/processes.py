"""The processes of a lab: started on a leash, watched, and all ended on every way out."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from meshlab.errors import LabError

__all__ = ["Processes"]

_LEASH: Final = Path(__file__).with_name("parent_death_signal.py")
_GRACE_S: Final = 3.0
_TAIL_CHARACTERS: Final = 300


@dataclass(eq=False)
class Processes:
    """A group of child processes.

    Notes
    -----
    Each child runs in a session of its own, so that Ctrl-C reaches the lab alone, which ends its children in order.
    Each asks the kernel to be killed when its parent dies (`parent_death_signal`): not even SIGKILL leaves one.
    """

    folder: Path
    """Where each one's output goes, as ``NAME.log``."""
    _children: dict[str, subprocess.Popen[bytes]] = field(init=False, default_factory=dict)
    _used_s: dict[str, float] = field(init=False, default_factory=dict)

    def start(self, name: str, program: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program.

        Parameters
        ----------
        name : str
            Unique in this group; it stands in messages and names the log.
        program : sequence of str
            Absolute path and arguments.
        environment : mapping
            The whole environment of the child; nothing is inherited.

        Raises
        ------
        LabError
            Not called from the main thread, or the system starts no more processes.
        """
        if threading.current_thread() is not threading.main_thread():
            # The kernel's signal follows the thread that started the child, not the process.
            raise LabError("the lab was started from a worker thread", "start it from the main thread")
        command = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *program]
        try:
            with self._log(name).open("ab") as log:
                self._children[name] = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise LabError(f"cannot start {name}: {error.strerror}") from error

    @property
    def ids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: child.pid for name, child in self._children.items()}

    def check(self) -> None:
        """Raise LabError if a process has ended."""
        for name, child in self._children.items():
            code = child.poll()
            if code is not None:
                last = self.last_words(name)
                raise LabError(
                    f"{name} ended unexpectedly with code {code}" + (f": {last}" if last else ""),
                    "try again; if it goes on, run the lab with less load",
                )

    def end(self, name: str, *, kill: bool = False) -> None:
        """End one process that is no longer wanted; nothing happens where it is none.

        Parameters
        ----------
        kill : bool
            At once, as a crash does, and not in order.
        """
        child = self._children.get(name)
        if child is None:
            return
        self._used_s[name] = self.cpu_s().get(name, 0.0)
        del self._children[name]
        with contextlib.suppress(ProcessLookupError):
            (child.kill if kill else child.terminate)()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def cpu_s(self) -> dict[str, float]:
        """Processor time that each process has used so far, in seconds; of those that ended, what they had used."""
        used = dict(self._used_s)
        for name, child in self._children.items():
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(child.pid).cpu_times()
                used[name] = self._used_s.get(name, 0.0) + float(times.user + times.system)
        return used

    def memory_mb(self) -> dict[str, float]:
        """Memory of each process in megabytes: proportional set size, so that what they share counts once."""
        memory = {}
        for name, child in self._children.items():
            with contextlib.suppress(psutil.Error):
                memory[name] = round(psutil.Process(child.pid).memory_full_info().pss / 1e6, 1)
        return memory

    def last_words(self, name: str) -> str:
        """The last line of a process's log that is not empty."""
        with contextlib.suppress(OSError):
            lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1].strip()[:_TAIL_CHARACTERS] if lines else ""
        return ""

    def stop(self) -> None:
        """End all, in the order of their start: SIGTERM, three seconds of grace for all together, SIGKILL."""
        deadline = time.monotonic() + _GRACE_S
        try:
            for child in self._children.values():
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
            for child in self._children.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for child in self._children.values():
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                child.wait()
            self._children.clear()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
