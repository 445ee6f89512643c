"""What is written: never through a link, one mode for all of it, and no name that looks like another one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tiny_notebooks import SHOW, written

from meshlab.core.sanitize import chat, html, markdown, plain
from meshlab.errors import ParameterError
from meshlab.reports.run.runner import run
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import sweep

LINKS = ("out/x", "out", "out/x/y/..", "absolute")


def linked(tmp_path: Path, where: str) -> tuple[Path, Path]:
    """A folder that is not to be written, and what leads into it."""
    victim = tmp_path / "victim"
    victim.mkdir()
    here = tmp_path / "here"
    here.mkdir()
    if where == "out":
        (here / "out").symlink_to(victim)
        return victim, Path("out/x")
    if where == "absolute":
        link = tmp_path / "elsewhere"
        link.symlink_to(victim)
        return victim, link
    (here / "out").mkdir()
    (here / "out" / "x").symlink_to(victim)
    return victim, Path("out/x") if where == "out/x" else Path("out/x/y")


@pytest.mark.parametrize("where", LINKS)
@pytest.mark.parametrize("what", ["report", "sweep"])
def test_nothing_is_written_through_a_link(tmp_path: Path, where: str, what: str) -> None:
    victim, out = linked(tmp_path, where)
    here = tmp_path / "here"
    notebook, pool = written(here, SHOW), executors("threads", 1)
    ways = {
        "report": lambda: run(notebook, parameters={}, out=out, cwd=here),
        "sweep": lambda: sweep("canary", source="canary-healthy", out=out, executor=pool, cwd=here),
    }
    with pytest.raises(ParameterError, match="is a link"):
        ways[what]()
    assert not list(victim.iterdir())


def test_a_link_on_the_way_to_where_one_works_is_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "real")
    here = tmp_path / "here"
    done = run(written(here, SHOW), parameters={}, out=here / "out" / "x", cwd=here)
    assert (tmp_path / "real/out/x" / done.page.name).is_file()


@pytest.mark.parametrize(
    ("umask", "folder", "file"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600), (0o027, 0o750, 0o640)]
)
def test_all_of_a_report_has_one_mode(tmp_path: Path, umask: int, folder: int, file: int) -> None:
    """A web server reads the tables as it reads the page, or neither."""
    shown = SHOW.replace("findings=[finding])", "findings=[finding], tables={'t': pd.DataFrame({'a': [1]})})")
    table, folder, file = f"import pandas as pd\n{shown}", 0o777 & ~umask, 0o666 & ~umask
    before = os.umask(umask)
    try:
        run(written(tmp_path, table), parameters={}, out=tmp_path / "out", cwd=tmp_path)
    finally:
        os.umask(before)
    made = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert (tmp_path / "out/tables/t.parquet").is_file()
    modes = {path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes == {path.relative_to(tmp_path): folder if path.is_dir() else file for path in made}


UNSEEN = "\u00ad\u034f\u115f\u1160\u180b\u200b\u200c\u200d\u2060\u2064\u206a\u3164\ufe0f\ufeff\uffa0"
TAGS = "\U000e0041\U000e0100"


@pytest.mark.parametrize("character", UNSEEN + TAGS, ids=lambda c: f"U+{ord(c):04X}")
def test_names_that_look_alike_are_told_apart(character: str) -> None:
    number = f"U+{ord(character):04X}"
    assert plain(f"cata{character}log") == f"cata[{number}]log"
    for safe in (html, chat):
        assert number in safe(f"cata{character}log")
        assert character not in safe(f"cata{character}log")
    assert number in markdown(f"cata{character}log")


def test_a_chat_makes_no_links_of_what_it_is_told() -> None:
    for text in (
        "https://evil.example.org/x",
        "see HTTP://evil.example.org",
        "evil.example.org",
        "ftp://a.b",
        "@channel",
    ):
        said = chat(text)
        assert "://" not in said
        assert "evil.example" not in said
        assert "@channel" not in said
        assert said.replace("\u2060", "") == text, "it reads as before"
    assert chat("1.5 % of 2.5") == "1.5 % of 2.5"
