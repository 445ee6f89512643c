"""Every notebook keeps the conventions, and was committed with its outputs; a notebook that does not is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from committed import NOTEBOOKS, committed

from meshlab.core.results import MIME_TYPE
from meshlab.errors import ReportError
from meshlab.reports.run.conventions import RULES, Broken, check, check_folder

Change = Callable[[Any], None]


def test_our_own_keep_to_all() -> None:
    assert check_folder(NOTEBOOKS) == {}
    assert len(list(NOTEBOOKS.glob("*.ipynb"))) >= 4


def test_the_one_with_controls_keeps_to_all_that_it_can() -> None:
    assert check_folder(NOTEBOOKS / "interactive", without=frozenset({"question", "verdict first"})) == {}


def cell(notebook: Any, name: str) -> Any:
    (found,) = [c for c in notebook.cells if c.get("id") == name]
    return found


def source(name: str, change: Callable[[str], str]) -> Change:
    def apply(notebook: Any) -> None:
        one = cell(notebook, name)
        one.source = change(one.source)

    return apply


def added(text: str) -> Change:
    return source(_last(), lambda old: f"{text}\n{old}")


def _last() -> str:
    return str(committed("canary-verdict").cells[-1].id)


def _shown(notebook: Any, mime: str) -> Any:
    return next(o for c in notebook.cells for o in c.get("outputs", ()) if mime in o.get("data", {}))


def _count(notebook: Any) -> None:
    cell(notebook, _last()).execution_count = None


def _swap(notebook: Any) -> None:
    code = [c for c in notebook.cells if c.cell_type == "code"]
    code[3].execution_count, code[4].execution_count = 5, 4


def _stream(notebook: Any) -> None:
    cell(notebook, _last()).outputs.append(nbformat.v4.new_output("stream", name="stderr", text="FutureWarning: x"))


def _error(notebook: Any) -> None:
    output = nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[])
    cell(notebook, _last()).outputs.append(output)


def _no_alt(notebook: Any) -> None:
    _shown(notebook, "image/png").metadata = {}


def _alt_without_number(notebook: Any) -> None:
    _shown(notebook, "image/png").metadata["image/png"]["alt"] = "a figure of errors"


def _figure_first(notebook: Any) -> None:
    picture = _shown(notebook, "image/png")
    [c for c in notebook.cells if c.cell_type == "code"][1].outputs = [picture]


def _two_results(notebook: Any) -> None:
    cell(notebook, _last()).outputs.append(_shown(notebook, MIME_TYPE))


def _nothing_as_text(notebook: Any) -> None:
    _shown(notebook, "image/png").data["text/plain"] = "<meshlab.display.figures.Figure at 0x7f3a12>"


def _verdict_by_colour(notebook: Any) -> None:
    data = _shown(notebook, MIME_TYPE).data
    data["text/html"] = f'<p style="color:red">{data[MIME_TYPE]["headline"]}</p>'


def _table_without_heads(notebook: Any) -> None:
    data = next(
        o.data
        for c in notebook.cells
        for o in c.get("outputs", ())
        if "dataframe" in str(o.get("data", {}).get("text/html"))
    )
    data["text/plain"] = "a table"


def _no_question(notebook: Any) -> None:
    del notebook.metadata["meshlab"]


def _tagged(tag: str) -> Change:
    def apply(notebook: Any) -> None:
        one = [c for c in notebook.cells if c.cell_type == "code"][2]
        one.metadata["tags"] = [*one.metadata.get("tags", ()), tag]

    return apply


def _untagged(notebook: Any) -> None:
    for one in notebook.cells:
        one.metadata.pop("tags", None)


def _timed(notebook: Any) -> None:
    notebook.cells[2].metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}


def _kernel(notebook: Any) -> None:
    notebook.metadata.kernelspec.name = "my-env"


def _large(notebook: Any) -> None:
    _shown(notebook, "image/png").data["image/png"] = "A" * 300_000


def _said(text: str) -> Change:
    def apply(notebook: Any) -> None:
        notebook.cells[0].source += f"\n\n{text}"

    return apply


BAD: list[tuple[str, Change]] = [
    ("title", _said("# Another title")),
    ("title", _said("#### Four levels down")),
    ("title", lambda nb: nb.cells.pop(0)),
    ("question", _no_question),
    ("parameters", _tagged("parameters")),
    ("parameters", _untagged),
    ("parameters", _tagged("injected-parameters")),
    ("parameters", lambda nb: setattr(nb.cells[1], "source", f"{nb.cells[1].source}\nlimit = 3")),
    ("parameters", lambda nb: setattr(nb.cells[1], "source", f"{nb.cells[1].source}\nlimit = int('3')  # requests")),
    ("parameters", lambda nb: setattr(nb.cells[1], "source", "\n".join(f"p{n} = {n}  # a number" for n in range(31)))),
    ("short cells", added("\n".join(f"x{n} = {n}" for n in range(9)))),
    *(
        ("no logic", added(text))
        for text in (
            "def f():\n    return 1",
            "class C:\n    pass",
            "for x in []:\n    pass",
            "while False:\n    pass",
            "if result:\n    pass",
            "try:\n    pass\nexcept OSError:\n    pass",
            "with open('x'):\n    pass",
            "f = lambda: 1",
            "x = [y for y in ()]",
            "x = {y: 1 for y in ()}",
            "x = list(y for y in ())",
            "x = f'{1}'",
            "(x := 1)",
            "%matplotlib inline",
            "!ls",
            "x = mesh.engine.query('sum by (le) (rate(istio_requests_total[1m]))')",
        )
    ),
    ("in order", _count),
    ("in order", _swap),
    ("quiet", _stream),
    ("quiet", _error),
    ("verdict first", _figure_first),
    ("verdict first", _two_results),
    ("compared", _tagged("nbval-skip")),
    ("compared", added("# NBVAL_IGNORE_OUTPUT")),
    ("alternative texts", _no_alt),
    ("alternative texts", _alt_without_number),
    ("readable", _nothing_as_text),
    ("readable", _verdict_by_colour),
    ("readable", _table_without_heads),
    ("anywhere", _said("See `/home/me/data`.")),
    ("anywhere", _said("See C:\\Users\\me.")),
    ("anywhere", _timed),
    ("anywhere", _kernel),
    ("anywhere", _large),
    ("no secret", _said("`http://me:hunter2@prometheus:9090`")),
    ("no secret", _said("Authorization: Bearer c2VjcmV0LXRva2Vu")),
    ("no secret", added("api_key = 'a1b2c3'")),
    ("no secret", _said("-----BEGIN EC PRIVATE KEY-----")),
    ("no secret", _said("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc")),
    ("no secret", _said("ghp_0123456789abcdefghij0123")),
]


@pytest.mark.parametrize(("rule", "change"), BAD, ids=[f"{rule} {n}" for n, (rule, _) in enumerate(BAD)])
def test_what_breaks_a_rule_is_found_by_it(rule: str, change: Change) -> None:
    notebook = committed("canary-verdict")
    change(notebook)
    found = {broken.rule for broken in check(notebook)}
    assert rule in found
    assert found <= {rule, "in order", "parameters", "short cells"}, "and by no rule that has nothing to do with it"
    assert rule not in {broken.rule for broken in check(notebook, without=frozenset({rule}))}


def test_every_rule_has_a_notebook_that_breaks_it() -> None:
    assert {rule for rule, _ in BAD} == set(RULES)


def test_a_folder_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no notebook in"):
        check_folder(tmp_path)
    for name in ("canary-verdict", "retry-storm"):
        nbformat.write(committed(name), tmp_path / f"{name}.ipynb")
    assert check_folder(tmp_path) == {}
    notebook = committed("retry-storm")
    _no_question(notebook)
    nbformat.write(notebook, tmp_path / "worse.ipynb")
    found = check_folder(tmp_path)
    assert found == {"worse.ipynb": [Broken("question", "", "its metadata do not name its question")]}
    assert str(found["worse.ipynb"][0]) == "question: its metadata do not name its question"
    (tmp_path / "none.ipynb").write_text("{")
    with pytest.raises(ReportError, match=r"none\.ipynb is no notebook"):
        check_folder(tmp_path)
