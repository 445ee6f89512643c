"""Modules that lie in the working folder take nobody's place: not in kernels, not in workers, not in the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_notebooks import SHOW, notebook, written

from meshlab.errors import ParameterError
from meshlab.reports.run.runner import run

MODULES = (
    *("pandas", "yaml", "msgspec", "meshlab", "ipykernel_launcher", "pathlib", "scipy/__init__", "numpy/__init__"),
    *("matplotlib", "sitecustomize", "usercustomize", "papermill", "nbformat", "traitlets", "zmq", "asyncio", "json"),
    *("pyarrow", "requests", "ssl", "multiprocessing", "encodings/__init__", "IPython/__init__", "ipykernel/__init__"),
    *("ipython_config", "ipython_kernel_config", "jupyter_config", "jupyter_notebook_config"),
)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with all of them; each leaves a mark when it is executed."""
    here, marks = tmp_path / "clone", tmp_path / "marks"
    marks.mkdir()
    for name in MODULES:
        path = here / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(marks / name.replace('/', '_'))!r}, 'w').close()\n")
    return here


def started(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"HOME": str(cwd.parent), "IPYTHONDIR": str(cwd.parent / "ipython")}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


MESHLAB = str(Path(sys.executable).with_name("meshlab"))


@pytest.mark.parametrize(
    "words",
    [
        ("report", "canary-verdict", "--source", "canary-healthy", "-o", "../out"),
        ("sweep", "canary", "--source", "canary-healthy", "-o", "../out", "--jobs", "1", "--pages", "none"),
        ("doctor", "canary-healthy"),
    ],
    ids=["a kernel", "workers", "the command"],
)
def test_the_command_and_what_it_starts_run_their_own_modules(planted: Path, words: tuple[str, ...]) -> None:
    done = started(MESHLAB, *words, cwd=planted)
    assert not os.listdir(planted.parent / "marks")
    assert done.returncode in (0, 10, 11), done.stderr


def test_kernels_and_workers_of_a_program_that_uses_meshlab(planted: Path) -> None:
    """`PYTHONSAFEPATH` is not set there: kernel and workers see to it themselves."""
    script = planted.parent / "script" / "program.py"
    script.parent.mkdir()
    script.write_text(
        "from pathlib import Path\n"
        "from meshlab.reports.run.runner import run\n"
        "from meshlab.reports.sweep.pool import executors\n"
        "from meshlab.reports.sweep.sweep import sweep\n"
        "if __name__ == '__main__':\n"
        "    run('canary-verdict', parameters={'source': 'canary-healthy'}, out=Path('../out'))\n"
        "    done = sweep('canary', source='canary-healthy', out=Path('../s'), executor=executors('processes', 1))\n"
        "    assert not [r for r in done.records if r['verdict'] == 'ERROR'], done.records\n"
    )
    done = started(sys.executable, str(script), cwd=planted)
    assert done.returncode == 0, done.stderr
    assert not os.listdir(planted.parent / "marks")


def test_a_notebook_says_where_its_modules_are(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "my_neighbour.py").write_text("word = 'found'\n")
    (tmp_path / "lib" / "json.py").write_text("raise SystemExit\n")
    import nbformat

    made = notebook(f"import my_neighbour\nimport json\ncanary = my_neighbour.word\n{SHOW}")
    made.cells[1].source += '\nmodules_from = ""  # folder of modules that this notebook imports'
    path = tmp_path / "mine.ipynb"
    nbformat.write(made, path)
    done = run(path, parameters={"modules_from": "lib"}, out=tmp_path / "out", cwd=tmp_path)
    assert done.result["headline"].startswith("found")
    assert "sys.path" not in (tmp_path / "out" / "report.ipynb").read_text()
    with pytest.raises(ParameterError, match="there is no folder"):
        run(path, parameters={"modules_from": "nowhere"}, out=tmp_path / "out", cwd=tmp_path)
    (tmp_path / "lib").chmod(0o777)
    with pytest.raises(ParameterError, match="may be written by everybody"):
        run(path, parameters={"modules_from": "lib"}, out=tmp_path / "out", cwd=tmp_path)


def test_a_neighbour_is_not_found_unless_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "my_neighbour.py").write_text("word = 'found'\n")
    path = written(tmp_path, f"import my_neighbour\n{SHOW}")
    with pytest.raises(Exception, match="No module named 'my_neighbour'"):
        run(path, parameters={}, out=tmp_path / "out", cwd=tmp_path)
