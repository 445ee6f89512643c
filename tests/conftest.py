"""Shared fixtures: where the binaries are, and what to do when they are missing."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

# The same examples each time, and no opinion on how long one takes on a busy machine.
settings.register_profile("meshlab", deadline=None, derandomize=True)
settings.load_profile("meshlab")


def require(binary: str, package: str) -> str:
    """Path of a binary; a missing one skips the test, and fails it under CI=true."""
    path = shutil.which(binary)
    if path is None:
        message = f"{binary} is not installed; try: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    return require("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool_binary() -> str:
    return require("promtool", "prometheus")


@pytest.fixture(scope="session")
def victoria_binary() -> str:
    return require("victoria-metrics", "victoria-metrics")


@pytest.fixture(scope="session")
def alertmanager_binary() -> str:
    return require("prometheus-alertmanager", "prometheus-alertmanager")


@pytest.fixture(scope="session")
def systemd_analyze_binary() -> str:
    return require("systemd-analyze", "systemd")


@pytest.fixture(scope="session")
def chromium_binary() -> str:
    return require("chromium", "chromium")
