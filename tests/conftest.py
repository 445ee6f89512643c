"""Shared fixtures: where the binaries are, and what to do when they are missing."""

from __future__ import annotations

import pytest
from binaries import Generation, require
from hypothesis import settings

# The same examples each time, and no opinion on how long one takes on a busy machine.
settings.register_profile("meshlab", deadline=None, derandomize=True)
settings.load_profile("meshlab")


@pytest.fixture(scope="session", params=[False, True], ids=["installed", "newer"])
def generation(request: pytest.FixtureRequest) -> Generation:
    """The installed Prometheus 2 and VictoriaMetrics, then Prometheus 3 and its contemporary."""
    return Generation(request.param)


@pytest.fixture(scope="session")
def newer() -> Generation:
    """Prometheus 3 alone, for what Prometheus 2 does not know."""
    return Generation(newer=True)


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
