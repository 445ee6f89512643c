"""Start a program that dies with its parent: ``python -I -S leash.py PARENT_PID PROGRAM ARGUMENT...``.

A launcher instead of a ``preexec_fn``, which can deadlock where the parent has threads. The request to be killed
outlives ``exec``. It needs nothing but the standard library, for it runs without site-packages.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 16_384


def main(parent: int, program: list[str]) -> None:
    """Become `program`, which the kernel kills when the thread that started it ends.

    Parameters
    ----------
    parent : int
        Process id of the parent, to notice that it ended before the request was made.
    program : list of str
        Path and arguments.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent has already ended")
    # The usual soft limit of 1024 is less than a storm of requests needs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
