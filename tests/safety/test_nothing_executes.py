"""What a stranger gives, a parameter or a recording, is read and never executed."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from tiny_notebooks import SHOW, written

from meshlab.cli import app
from meshlab.core.window import Window
from meshlab.errors import ParameterError, RecordingError
from meshlab.recordings import reader as module
from meshlab.recordings.engine import Recording
from meshlab.recordings.writer import checksum
from meshlab.reports.run.runner import run

ROOT = Path(__file__).parents[2]
OPENED = "open('owned', 'w').close()"
VALUES = (
    f'"; {OPENED}; "',
    f"'; {OPENED}; '",
    f'"""\n{OPENED}\n"""',
    f"'''\n{OPENED}\n'''",
    f"\\\n{OPENED}",
    f"\\'; {OPENED} #",
    f"\r\n{OPENED}\r\n",
    f"\u2028{OPENED}\u2029",
    "{__import__('os').system('touch owned')}",
    "%run owned.py",
    "!touch owned",
    "{{ cookiecutter }} ${IFS} $(touch owned) `touch owned`",
    "\x00",
)
NAMES = (
    f"x = 1\n{OPENED}\ny",
    f"canary\n{OPENED}\nz",
    f"canary; {OPENED}; z",
    f"canary: {OPENED}",
    "__builtins__",
    "canary ",
    " canary",
    "canary\n",
    "canary.x",
    "ｃanary",  # Python would take it for the same name
    "%run x",
    "Result",
)


def test_a_value_is_what_it_is(tmp_path: Path) -> None:
    notebook = written(tmp_path, SHOW)
    evil = " ".join(VALUES)
    done = run(notebook, parameters={"canary": evil, "source": VALUES[0]}, out=tmp_path / "out", cwd=tmp_path)
    assert done.result["headline"] == f"{evil} {VALUES[0]}"
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_of_the_notebook_s_runs_nothing(tmp_path: Path, name: str) -> None:
    notebook = written(tmp_path, f"{OPENED}\n{SHOW}")
    with pytest.raises(ParameterError, match="the notebook has no parameter"):
        run(notebook, parameters={name: "1"}, out=tmp_path / "out", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.ipynb"]


def test_the_same_by_the_command_line_and_by_a_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, f"{OPENED}\n{SHOW}")
    table = f'{json.dumps(NAMES[0])} = "1"'
    entry = f'[[report]]\nname = "n"\nnotebook = "./tiny.ipynb"\ncron = "0 * * * *"\n[report.parameters]\n{table}\n'
    (tmp_path / "meshlab.toml").write_text(entry)
    monkeypatch.chdir(tmp_path)
    for words in (
        ["report", "./tiny.ipynb", "-p", f"{NAMES[0]}=1"],
        ["sweep", "canary", "--source", "x", "-p", f"{NAMES[0]}=1"],
        ["schedule", "run", "n"],
    ):
        monkeypatch.setattr(sys, "argv", ["meshlab", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
        assert ended.value.code == 2, words
        assert "has no parameter" in capsys.readouterr().err
    assert not list(tmp_path.rglob("owned"))


class Owner:
    """What a pickle of it does when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "data" / "canary-healthy", tmp_path / "r"))


def signed(folder: Path, **more: object) -> None:
    """Make the manifest fit the files: whoever sends a recording writes it too."""
    path = folder / "manifest.json"
    manifest = {**json.loads(path.read_text()), **more}
    for name in ("series.parquet", "samples.parquet"):
        held = folder / name
        manifest["files"][name] |= {"bytes": held.stat().st_size, "sha256": checksum(held)}
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("key", ["PANDAS_ATTRS", "pandas", "ARROW:extension:metadata", "meshlab", "ARROW:schema"])
@pytest.mark.parametrize("file", ["series.parquet", "samples.parquet"])
def test_what_a_parquet_file_says_of_itself_is_not_unpacked(folder: Path, file: str, key: str) -> None:
    """A pickle where a type or a table is described: Arrow once unpacked such (CVE-2023-47248)."""
    payload = pickle.dumps(Owner(folder.parent / "owned"))
    own = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload}
    table = parquet.read_table(folder / file)
    fields = [field.with_metadata(own) for field in table.schema]
    said = {key.encode(): payload, b"pandas": b"not even JSON" if key == "pandas" else b"{}"}
    parquet.write_table(table.cast(pa.schema(fields, metadata=said)), folder / file, row_group_size=1 << 18)
    signed(folder)
    try:
        recording = Recording.open(folder)
        start, end = recording.span() or (None, None)
        assert start
        assert end
        recording.samples("up", Window.parse(start.isoformat(), end.isoformat(), now=end))
    except RecordingError:
        pass
    assert not (folder.parent / "owned").exists()
    assert pickle.loads(payload) is None, "the pickle does what it says, where it is read"
    assert (folder.parent / "owned").is_dir()


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "series.parquet/../../outside", "\x00", "~/outside"])
def test_names_in_a_manifest_lead_nowhere(folder: Path, name: str) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    series = manifest["files"].pop("series.parquet")
    path.write_text(json.dumps({**manifest, "files": {**manifest["files"], name: series}}))
    (folder / "series.parquet").rename(folder.parent.parent / "outside")
    with pytest.raises(RecordingError):
        Recording.open(folder)
    (folder.parent.parent / "outside").unlink()


def test_a_name_in_a_manifest_is_no_path(folder: Path) -> None:
    signed(folder, name="../../../owned", what="$(touch owned)", command="touch owned", truth={"__class__": "Owner"})
    recording = Recording.open(folder)
    assert "owned" not in recording.description or "/" not in recording.description.replace("../", "")
    assert not list(folder.parent.rglob("owned"))


def test_many_rows_in_one_piece_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may claim a thousand million equal rows, and they would be decoded at once."""
    assert Recording.open(folder)
    monkeypatch.setattr(module, "_LARGEST_GROUP", 100)
    with pytest.raises(RecordingError, match="rows in one row group"):
        Recording.open(folder)


def test_a_device_or_a_pipe_is_no_recording(folder: Path) -> None:
    (folder / "samples.parquet").unlink()
    os.mkfifo(folder / "samples.parquet")
    with pytest.raises(RecordingError):
        Recording.open(folder)


def test_nothing_in_the_package_executes_what_it_reads() -> None:
    """No pickle, no eval, no YAML with types, no shell."""
    names = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "unsafe_load", "full_load", "system"}
    modules = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    found = []
    for path in sorted((ROOT / "meshlab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                told = {a.name.partition(".")[0] for a in node.names}
                told |= {(getattr(node, "module", "") or "").partition(".")[0]}
                found += [f"{path.name}: imports {name}" for name in told & modules]
            if isinstance(node, ast.Call):
                own = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                owner = getattr(getattr(node.func, "value", None), "id", "")
                if own in names and (own, owner) != ("compile", "re"):
                    found.append(f"{path.name}:{node.lineno} calls {own}")
                if own == "load" and owner == "yaml":
                    found.append(f"{path.name}:{node.lineno} calls yaml.load")
                if any(k.arg in ("shell", "allow_pickle") and getattr(k.value, "value", 1) for k in node.keywords):
                    found.append(f"{path.name}:{node.lineno} asks for a shell or a pickle")
    assert found == []
