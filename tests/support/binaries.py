"""Where the real servers are, and what to do when they are missing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Generation", "require"]

NEWER = Path(os.environ.get("GENERATIONS") or Path(__file__).parents[2] / ".cache" / "generations")
"""Where ``.ci/generations`` puts the servers of Debian's unstable suite."""


def require(binary: str, package: str) -> str:
    """Path of a binary; a missing one skips the test, and fails it under CI=true."""
    path = shutil.which(binary)
    return path if path is not None else _missing(f"{binary} is not installed; try: apt-get install {package}")


def _missing(message: str) -> str:
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@dataclass(frozen=True)
class Generation:
    """The servers of one generation: those that are installed, or the newer ones beside them."""

    newer: bool

    @property
    def prometheus(self) -> str:
        return self._path("prometheus", "prometheus")

    @property
    def promtool(self) -> str:
        return self._path("promtool", "prometheus")

    @property
    def victoria(self) -> str:
        return self._path("victoria-metrics", "victoria-metrics")

    def _path(self, binary: str, package: str) -> str:
        if not self.newer:
            return require(binary, package)
        found = NEWER / "usr" / "bin" / binary
        return str(found) if found.exists() else _missing(f"the newer {binary} is not in {NEWER}; try: .ci/generations")
