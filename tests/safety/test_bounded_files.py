"""Files that somebody else may have written: ordinary ones, within a size and a depth, wherever one is named."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from meshlab.core import documents
from meshlab.core.documents import Unreadable, read_bytes, read_json, read_toml, yaml_documents
from meshlab.errors import MeshlabError, RecordingError
from meshlab.questions.base import question
from meshlab.questions.scaling.hpa.manifest import Manifest
from meshlab.questions.security.score import earlier
from meshlab.recordings.engine import Recording
from meshlab.recordings.writer import checksum
from meshlab.reports.index import write_index
from meshlab.reports.run.notebooks import available
from meshlab.reports.stored import read_result
from meshlab.telemetry.kubernetes.manifests import read_manifest

ROOT = Path(__file__).parents[2]
SPECIAL = (
    "/dev/zero",
    "/dev/full",
    "/dev/urandom",
    "/dev/tty",
    "a pipe",
    "a folder",
    "a link to /dev/zero",
    "a socket",
)


def special(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "special"
    if name == "a pipe":
        os.mkfifo(path)
    elif name == "a folder":
        path.mkdir()
    elif name == "a link to /dev/zero":
        path.symlink_to("/dev/zero")
    elif name == "a socket":
        import socket

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        return Path(name)
    return path


READERS = {
    "bytes": read_bytes,
    "a manifest": lambda path: read_manifest(path, "the policies'", "kubectl"),
    "an autoscaler": Manifest.read,
    "a policy": lambda path: question("canary").settings_from({"policy_file": str(path)}),
    "an earlier result": lambda path: earlier(str(path)),
}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
def test_special_files_are_refused_at_once(tmp_path: Path, name: str, reader) -> None:  # type: ignore[no-untyped-def]
    begun = time.monotonic()
    with pytest.raises((MeshlabError, Unreadable, OSError)):
        reader(special(tmp_path, name))
    assert time.monotonic() - begun < 2


def test_special_files_in_folders_are_nobody_s_results_or_notebooks(tmp_path: Path) -> None:
    for folder in ("notebooks", "out/a", "out/b"):
        (tmp_path / folder).mkdir(parents=True)
    os.mkfifo(tmp_path / "notebooks" / "canary-verdict.ipynb")
    os.mkfifo(tmp_path / "out/a/result.json")
    (tmp_path / "out/b/result.json").symlink_to("/dev/zero")
    assert "canary-verdict" in [one.name for one in available(tmp_path)], "the one that came with the package"
    assert read_result(tmp_path / "out/a/result.json") is None
    with pytest.raises(MeshlabError, match="there is no report"):
        write_index(tmp_path / "out")


def bomb(levels: int, way: str) -> str:
    rows = ["a0: &a0 {k: v}" if way == "merge" else "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        again = ", ".join([f"*a{level - 1}"] * 10)
        rows.append(f"a{level}: &a{level} " + (f"{{<<: [{again}]}}" if way == "merge" else f"[{again}]"))
    return "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        bomb(9, "list"),
        bomb(30, "list"),
        bomb(9, "merge"),
        "a: &a [*a, *a]",
        "&a {b: *a}",
        "[" * 200,
        "[" * 100_000,
        "- " * 5_000 + "a",
        "{a: " * 200 + "1" + "}" * 200,
        "? " * 1_000,
        "a: [",
        "a:\n\tb: 1",
        "a: 'b",
        "*nobody",
        "!!python/object/apply:os.mkdir [owned]",
        "!!timestamp 2026-99-99",
        "a: 2026-02-31",
        "--- |\n \0",
        "\ud800",
    ],
    ids=lambda text: text[:20],
)
def test_yaml_is_bounded(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    begun = time.monotonic()
    with pytest.raises(Unreadable):
        yaml_documents(text)
    assert time.monotonic() - begun < 5
    assert not list(tmp_path.iterdir())


def test_yaml_says_what_it_says() -> None:
    text = "a: &x [1, two, ~]\nb: *x\n---\nc: !!str 3\n"
    assert yaml_documents(text) == [{"a": [1, "two", None], "b": [1, "two", None]}, {"c": "3"}]


@pytest.mark.parametrize(
    "text", ["token: [Pl4nted }", "Pl4nted: 'a", "a: *Pl4nted", "a: !Pl4nted 1", "a:\n\tPl4nted: 1"]
)
def test_yaml_is_not_quoted(text: str) -> None:
    with pytest.raises(Unreadable, match=r"line \d+, column \d+") as refused:
        yaml_documents(text)
    assert "Pl4nted" not in str(refused.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", '"\udc00', "\x00"])
def test_json_is_bounded(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(Unreadable):
        read_json(path)
    assert read_result(path) is None
    with pytest.raises(MeshlabError, match="cannot be read as a result"):
        earlier(str(path))


def test_sizes_and_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 101)
    assert len(read_bytes(path, 101)) == 101
    with pytest.raises(Unreadable, match="longer than 100 bytes"):
        read_bytes(path, 100)
    with pytest.raises(Unreadable):
        read_toml(b"a = " + b"[" * 100_000)
    monkeypatch.setattr(documents, "_MOST_NODES", 10)
    with pytest.raises(Unreadable, match="more than 10 values"):
        yaml_documents("[1,2,3,4,5,6,7,8,9,10,11]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "data" / "canary-healthy", tmp_path / "r"))


@pytest.mark.parametrize("name", ["manifest.json", "series.parquet", "samples.parquet"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_recording_s_links_out_of_its_folder_are_refused(folder: Path, name: str, relative: bool) -> None:
    (folder.parent / "elsewhere").mkdir()
    outside = folder.parent / "elsewhere" / "file"
    (folder / name).rename(outside)
    (folder / name).symlink_to(Path("../elsewhere/file") if relative else outside)
    with pytest.raises(RecordingError, match="leads out of the recording's folder"):
        Recording.open(folder)


def test_a_manifest_without_end_is_refused(folder: Path) -> None:
    for text in ("[" * 200_000, " " * (17 << 20), "\0"):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(RecordingError):
            Recording.open(folder)


@pytest.mark.parametrize("way", ["equal long values", "many columns", "one long value"])
def test_labels_that_unpack_without_end_are_refused(folder: Path, way: str) -> None:
    """A file of some KB may claim gigabytes of labels; they are measured before they are written out."""
    rows = 20_000
    values = {
        "equal long values": {"label_a": pa.array(["x" * 100_000]).dictionary_encode().take(pa.array([0] * rows))},
        "many columns": {f"label_{n}": pa.array(["x" * 1_000]).take(pa.array([0] * 2_000)) for n in range(200)},
        "one long value": {"label_a": pa.array(["x" * (300 << 20)])},
    }[way]
    count = len(next(iter(values.values())))
    table = pa.table({"sid": pa.array(range(count), pa.int32()), **values})
    path = folder / "series.parquet"
    parquet.write_table(table, path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 1 << 20
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["series.parquet"] |= {"bytes": path.stat().st_size, "sha256": checksum(path)}
    manifest["series"] = count
    (folder / "manifest.json").write_text(json.dumps(manifest))
    before = pa.total_allocated_bytes()
    with pytest.raises(RecordingError, match=r"labels that unpack to more|not have the columns"):
        Recording.open(folder)
    assert pa.total_allocated_bytes() - before < 100 << 20
