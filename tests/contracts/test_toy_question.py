"""A question from outside of the package is one module, one notebook and its entry point: nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "support" / "toy"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in: the toy's notebook, and a recording."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "slo-burn.ipynb").write_bytes((TOY / "slo-burn.ipynb").read_bytes())
    (folder / "data").symlink_to(ROOT / "data")
    return folder


def run(desk: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(TOY)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 10), done.stderr
    return done.stdout


def test_it_reports(desk: Path) -> None:
    run(desk, "meshlab", "report", "slo-burn", "--source", "canary-regression", "-o", "out", "--fail-on", "never")
    result = json.loads((desk / "out" / "result.json").read_text())
    assert (result["question"], result["subject"]) == ("slo-burn", "Kubernetes/shop/catalog")
    (finding,) = result["findings"]
    assert (finding["code"], finding["key"]) == ("ML-TOY-001", f"slo-burn.burn.{finding['verdict'].lower()}")
    assert finding["value"] > 1
    assert "ML-TOY-001" in (desk / "out" / "report.html").read_text()


def test_it_sweeps(desk: Path) -> None:
    run(
        desk,
        "meshlab",
        "sweep",
        "slo-burn",
        "--source",
        "retry-storm",
        "--jobs",
        "1",
        "--executor",
        "threads",
        "-o",
        "s",
    )
    records = [json.loads(path.read_text()) for path in (desk / "s").glob("*/subjects/*/record.json")]
    assert len(records) >= 6
    assert {record["result"]["subject"] == record["subject"] for record in records} == {True}


def test_the_doctor_and_the_list_name_it(desk: Path) -> None:
    assert "slo-burn" in run(desk, "meshlab", "doctor", "canary-regression")
    assert "-p objective=0.999" in run(desk, "meshlab", "notebooks")


def test_it_keeps_to_the_contract_and_has_controls(desk: Path) -> None:
    code = (
        "import meshlab\nfrom meshlab.questions.base import check_question, question, parameters_source\n"
        "assert check_question(question('slo-burn'), 'retry-storm')\n"
        "page = meshlab.explore('retry-storm', question='slo-burn', service='ledger')\n"
        "assert page.result.subject.endswith('/ledger')\n"
        "print(parameters_source(question('slo-burn')))\n"
    )
    (desk / "check.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(TOY)}
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((TOY / "slo-burn.ipynb").read_text())["cells"]
    assert done.stdout.strip() == "".join(cells[1]["source"])
