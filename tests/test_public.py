"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import meshlab


def test_every_public_name_resolves_and_is_sorted() -> None:
    assert meshlab.__all__ == sorted(meshlab.__all__)
    for name in meshlab.__all__:
        assert getattr(meshlab, name) is not None
    assert callable(meshlab.connect)


def imported(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_meshlab_imports_nothing_heavy() -> None:
    assert not {"pandas", "numpy", "scipy", "matplotlib", "papermill"} & imported("meshlab")


def test_connecting_does_not_import_what_only_figures_and_reports_need() -> None:
    assert not {"scipy", "matplotlib", "papermill", "statsmodels"} & imported("meshlab.telemetry.source")
