"""environment.yml, pyproject.toml and constraints.txt say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
CONDA_NAMES = {"matplotlib-base": "matplotlib", "jupyter_client": "jupyter-client"}


def split(requirement: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?\s*(.*)", requirement)
    assert match
    return match[1].lower(), match[2]


def environment() -> dict[str, str]:
    lines = (ROOT / "environment.yml").read_text().split("dependencies:")[1].splitlines()
    items = [line.strip().removeprefix("- ") for line in lines if line.strip().startswith("- ")]
    pairs = dict(split(i) for i in items if i not in ("pip:", "-e ."))
    return {CONDA_NAMES.get(name, name): version for name, version in pairs.items()}


def test_environment_has_the_ranges_of_pyproject() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = dict(map(split, [*PROJECT["dependencies"], *extras["jupyter"]]))
    wanted |= {name: v for name, v in map(split, extras["dev"]) if name == "nbval"}
    wanted |= {"python": PROJECT["requires-python"], "pip": ""}
    assert environment() == wanted


def test_constraints_pin_every_direct_dependency_and_name_no_index() -> None:
    text = (ROOT / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[^\s;@]+", line) for line in lines), "pins only"
    pinned = {split(line.split("==")[0])[0].replace("_", "-") for line in lines}
    direct = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    assert {split(r)[0] for r in direct} <= pinned
    assert "://" not in text


def test_the_wheel_ships_every_notebook() -> None:
    shipped = SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert shipped["notebooks"] == "meshlab/_shipped/notebooks"


def test_make_report_runs_every_notebook_on_a_recording_that_is_there() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    said = re.search(r"^REPORTS := (.*)$", text, re.M)
    assert said
    assert "$(wildcard notebooks/*.ipynb)" in said[1]
    for pair in said[1].split():
        recording = pair.partition(":")[2].strip("),")
        assert not recording.isidentifier() or (ROOT / "data" / recording / "manifest.json").is_file()
