"""A dialect that a package outside of meshlab registers, for the time of a test."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.registry import installed

TOY = Path(__file__).parents[2] / "support" / "toy_dialect"


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialect]:
    """The toy dialect, installed as pip would: its folder with the module and its metadata is on the path."""
    monkeypatch.syspath_prepend(str(TOY))
    installed.cache_clear()
    yield importlib.import_module("acme_dialect").ACME
    installed.cache_clear()


@pytest.fixture
def installed_with_acme(acme: Dialect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Installs one more package with some entry points."""

    def install(entry_points: str) -> None:
        folder = tmp_path / "nonsense-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: nonsense\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(str(tmp_path))
        installed.cache_clear()

    return install
