from __future__ import annotations

from pathlib import Path

import pytest
from tiny_notebooks import written

from meshlab.errors import ParameterError
from meshlab.reports.run.notebooks import available, find


def test_a_name_is_found_near_before_it_is_found_in_the_package(tmp_path: Path) -> None:
    own = tmp_path / "notebooks"
    own.mkdir()
    path = written(own, name="canary-verdict")
    (tmp_path / "below").mkdir()
    assert find("canary-verdict", tmp_path / "below") == path
    assert find("canary-verdict", own.parent.parent).name == "canary-verdict.ipynb"
    listed = {n.name: n for n in available(tmp_path)}
    assert listed["canary-verdict"].title == "A tiny question"
    assert [p.typed for p in listed["canary-verdict"].parameters] == ["", "v2", "0.02", "false"]


def test_a_path_is_a_path(tmp_path: Path) -> None:
    path = written(tmp_path)
    for text in ("tiny.ipynb", "./tiny.ipynb", path):
        assert find(text, tmp_path) == path.resolve()
    with pytest.raises(ParameterError, match=r"no notebook at './other\.ipynb'"):
        find("./other.ipynb", tmp_path)


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"did you mean canary-verdict\?"):
        find("canary-verdit", tmp_path)


def test_a_file_that_is_no_notebook_is_listed_without_title(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    for name, text in {"broken": "{", "list": "[]", "texts": '{"cells": ["a"]}'}.items():
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text)
    listed = {n.name: (n.title, n.parameters) for n in available(tmp_path)}
    assert listed["broken"] == listed["list"] == listed["texts"] == ("", ())
