from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from tiny_notebooks import SHOW, executed, written

from meshlab.core.results import Verdict
from meshlab.errors import ConfigError, ParameterError, ReportError, Unreachable
from meshlab.reports.run.extraction import the_result
from meshlab.reports.run.runner import _read, run

VALUE = 'a"b\\n\\\n{x}\'"""; raise SystemExit # é$'


def test_a_report_is_published_and_written_the_same_twice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    check = (
        f"import os\nassert canary == {VALUE!r} and source == '1.10' and loud is True\nassert alpha == 1.0\nos.getcwd()"
    )
    path = written(tmp_path, check, SHOW)
    given = {"canary": VALUE, "source": "1.10", "loud": "true", "alpha": "1"}
    done = run(path, parameters=given, out=Path("out/tiny"), cwd=tmp_path, timeout_s=60)
    assert done.verdict is Verdict.FAIL
    assert done.source == "1.10"
    folder = tmp_path / "out" / "tiny"
    files = ["mail.html", "message.md", "metrics.prom", "report.html", "report.ipynb", "result.json", "tables"]
    assert sorted(os.listdir(folder)) == files
    assert os.listdir(tmp_path / "out") == ["tiny"]
    first = (folder / "result.json").read_bytes()
    assert json.loads(first) == dict(done.result)
    assert list(json.loads(first)) == sorted(done.result)
    saved = nbformat.read(folder / "report.ipynb", as_version=4)
    nbformat.validate(saved)
    assert str(tmp_path) in saved.cells[3].outputs[0].data["text/plain"]
    assert str(tmp_path) not in json.dumps(saved.metadata)
    run(path, parameters=given, out=Path("out/tiny"), cwd=tmp_path, timeout_s=60)
    assert (folder / "result.json").read_bytes() == first
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_zone_of_a_configuration_is_shown_and_a_wrong_one_refused(tmp_path: Path) -> None:
    show = SHOW.replace(
        "findings=[finding]", 'findings=[finding], window="2026-07-01T12:00:00Z to 2026-07-01T13:00:00Z"'
    )
    path = written(tmp_path, show)
    (tmp_path / "meshlab.toml").write_text('tz = "Asia/Kolkata"\n')
    run(path, parameters={}, out=Path("out"), cwd=tmp_path)
    assert "1 Jul 2026, 17:30-18:30 IST" in (tmp_path / "out/report.html").read_text()
    run(path, parameters={}, out=Path("out"), cwd=tmp_path, tz="Europe/Berlin")
    assert "1 Jul 2026, 14:00-15:00 CEST" in (tmp_path / "out/report.html").read_text()
    (tmp_path / "meshlab.toml").write_text('tz = "Europe/Berlni"\n')
    with pytest.raises(ConfigError, match="which this machine does not know"):
        run(path, parameters={}, out=Path("out"), cwd=tmp_path)


@pytest.mark.parametrize("ids", [None, "same"])
def test_a_notebook_with_poor_cell_ids_is_read_in_silence(tmp_path: Path, ids: str | None) -> None:
    path = written(tmp_path, SHOW)
    poor = json.loads(path.read_text())
    for cell in poor["cells"]:
        del cell["id"]
        if ids:
            cell["id"] = ids
    path.write_text(json.dumps(poor))
    mended = _read(path)  # warnings are errors here
    assert len({cell.id for cell in mended.cells}) == len(mended.cells)


@pytest.mark.parametrize(
    ("cell", "error", "sentence"),
    [
        (
            "import meshlab\nraise meshlab.Unreachable('x at y did not answer', 'try z')",
            Unreachable,
            "^x at y did not answer; try z$",
        ),
        ("1 / 0", ReportError, r"stopped in cell 3 \(cell-0\): ZeroDivisionError: division by zero$"),
        ("import os\nos._exit(1)", ReportError, r"the kernel of notebook tiny died in cell 3 \(cell-0\)"),
        ("import time\ntime.sleep(60)", ReportError, r"did not finish cell 3 \(cell-0\) within 2 s"),
        ("input()", ReportError, "StdinNotImplementedError"),
    ],
    ids=["meshlab error", "other error", "dead kernel", "time-out", "input"],
)
def test_a_failure_is_one_sentence_and_leaves_the_older_report(
    tmp_path: Path, cell: str, error: type[Exception], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("older")
    path = written(tmp_path, cell, SHOW)
    with pytest.raises(error, match=sentence) as caught:
        run(path, parameters={"canary": "v3"}, out=out, timeout_s=2)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert {p.name: p.read_text() for p in out.iterdir()} == {"report.html": "older"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "tiny.ipynb"]
    assert capfd.readouterr() == ("", "")


def test_none_or_two_or_other_results_are_refused() -> None:
    whole = executed()
    assert the_result(whole, "tiny")["verdict"] == "PASS"
    cell = next(c for c in whole.cells if c.source == "show(result)")
    cell.outputs *= 2
    with pytest.raises(ReportError, match="displayed 2 results, not one"):
        the_result(whole, "tiny")
    del cell.outputs[1]
    cell.outputs[0].data["application/vnd.meshlab.result+json"]["schema"] = "meshlab.result/9"
    with pytest.raises(ReportError, match=r"'meshlab\.result/9'"):
        the_result(whole, "tiny")
    cell.outputs = []
    with pytest.raises(ReportError, match="displayed no result, not one"):
        the_result(whole, "tiny")


def test_nothing_runs_for_a_wrong_parameter_folder_or_notebook(tmp_path: Path) -> None:
    path = written(tmp_path, "raise Exception('it ran')")
    with pytest.raises(ParameterError, match=r"did you mean canary\?"):
        run(path, parameters={"canry": "v2"}, out=tmp_path / "out")
    with pytest.raises(ParameterError, match="parameter alpha is 'x', not a number"):
        run(path, parameters={"alpha": "x"}, out=tmp_path / "out")
    with pytest.raises(ParameterError, match=r"holds more than a report \(tiny\.ipynb\)"):
        run(path, parameters={}, out=tmp_path)
    with pytest.raises(ParameterError, match="is a file"):
        run(path, parameters={}, out=path)
    (tmp_path / "bad.ipynb").write_text("{}")
    with pytest.raises(ReportError, match="is no notebook"):
        run(tmp_path / "bad.ipynb", parameters={}, out=tmp_path / "out")
    double = nbformat.read(path, as_version=4)
    double.cells[2].metadata.tags = ["parameters"]
    nbformat.write(double, path)
    with pytest.raises(ReportError, match="2 cells tagged parameters"):
        run(path, parameters={}, out=tmp_path / "out")


def test_tables_are_written_beside_the_page(tmp_path: Path) -> None:
    import pandas as pd

    with_table = SHOW.replace("findings=", "tables={'looks': pd.DataFrame({'x': [1, 2]})}, findings=")
    assert with_table != SHOW
    path = written(tmp_path, "import pandas as pd", with_table)
    done = run(path, parameters={}, out=Path("out"), cwd=tmp_path, timeout_s=60)
    table = pd.read_parquet(tmp_path / done.folder / "tables" / "looks.parquet")
    assert table["x"].tolist() == [1, 2]
    assert "meshlab_verdict{" in (tmp_path / "out" / "metrics.prom").read_text()
    again = run(path, parameters={}, out=Path("out"), cwd=tmp_path, timeout_s=60)
    assert again.verdict is done.verdict
    assert "as in the previous report" in (tmp_path / "out" / "message.md").read_text()
