"""The same answer from wherever it is asked: the checkout's root, notebooks/, an empty folder, and the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def committed_result(notebook: str) -> dict[str, Any]:
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    found = [o["data"] for c in cells for o in c.get("outputs", []) if "data" in o]
    return next(d["application/vnd.meshlab.result+json"] for d in found if "application/vnd.meshlab.result+json" in d)


def report(notebook: str, cwd: Path, out: Path, **environment: str) -> object:
    done = subprocess.run(
        [sys.executable, "-m", "meshlab", "report", notebook, "-o", str(out)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    word = committed_result(notebook)["verdict"]
    assert (done.returncode, done.stderr) == ({"FAIL": 10, "INCONCLUSIVE": 11}.get(word, 0), "")
    assert done.stdout.startswith(f"{word} ")
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize("place", ["root", "notebooks", "empty"])
def test_from_a_checkout(notebook: str, place: str, tmp_path: Path) -> None:
    cwd = {"root": ROOT, "notebooks": ROOT / "notebooks", "empty": tmp_path}[place]
    assert report(notebook, cwd, tmp_path / "out") == committed_result(notebook)


def test_from_the_wheel_in_an_empty_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert wheel.stat().st_size < 2_000_000
    empty = tmp_path / "empty"
    empty.mkdir()
    # The package that is imported must be the wheel's, in the runner and in the kernel that it starts.
    path = str(tmp_path / "site")
    where = subprocess.run(
        [sys.executable, "-c", "import meshlab; print(meshlab.__file__)"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(path)
    for notebook in NOTEBOOKS:
        assert report(notebook, empty, tmp_path / notebook, PYTHONPATH=path) == committed_result(notebook)
