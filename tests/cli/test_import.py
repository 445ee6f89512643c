"""``meshlab import``: what is typed, what is said, and what stands there afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meshlab.cli import app

Call = Callable[..., tuple[int, str, str]]
ISTIO = (
    'istio_requests_total{reporter="source",destination_canonical_service="catalog",response_code="200"} 7\n'
    'istio_requests_total{reporter="source",destination_canonical_service="cart",response_code="200"} 3\n'
)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command line in this process, in an empty folder: code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meshlab", *arguments])
        code = 0
        try:
            app.main()
        except SystemExit as e:
            code = int(e.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_what_was_imported_is_said_with_the_next_thing_to_type(call: Call) -> None:
    for number in (1, 2):
        Path(f"scrape-{number}.prom").write_text(ISTIO.replace(" 3", f" {number}"))
    times = ("--at", "2026-11-23T13:20:00Z", "--at", "2026-11-23T13:20:15Z")
    code, out, err = call("import", "scrape-1.prom", "scrape-2.prom", "-o", "shop", *times)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "imported 2026-11-23T13:19:59.999000+00:00 to 2026-11-23T13:20:15+00:00 -> shop"
    assert lines[1].startswith("2 series, 4 samples, ")
    assert lines[-2:] == [
        "services: cart, catalog",
        "next: meshlab report canary-verdict --source ./shop -p service=cart",
    ]
    manifest = json.loads(Path("shop/manifest.json").read_text())
    assert manifest["command"] == f"meshlab import scrape-1.prom scrape-2.prom -o shop {' '.join(times)}"
    assert call("query", "sum(istio_requests_total)", "--source", "./shop")[1].split()[-1] == "9"


def test_without_a_service_the_doctor_comes_next(call: Call) -> None:
    Path("up.prom").write_text("up 1\n")
    code, out, _ = call("import", "up.prom", "-o", "up", "--at", "1795440000", "--metric", "unused")
    assert (code, out.splitlines()[-1]) == (0, "next: meshlab doctor ./up")


def test_columns_may_be_named_in_one_text_or_in_several(call: Call) -> None:
    Path("t.csv").write_text("when;how much\n1795440000;1\n")
    for number, columns in enumerate((["time=when,value=how much"], ["time=when", "value=how much"])):
        options = [part for text in columns for part in ("--columns", text)]
        code, _, err = call("import", "t.csv", "-o", f"out-{number}", "--metric", "up", *options)
        assert (code, err) == (0, "")
    for wrong in ("when", "=when", "time="):
        assert call("import", "t.csv", "-o", "out", "--columns", wrong)[0] == 2


def test_what_cannot_be_imported_ends_with_2_and_leaves_nothing(call: Call) -> None:
    Path("half.json").write_text('[{"metric":{"__name__":"up"},"values":[[1795440000,"1"],[17954')
    code, out, err = call("import", "half.json", "-o", "out")
    assert (code, out) == (2, "")
    assert err.startswith("meshlab: half.json is cut off")
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["half.json"]


def test_a_file_as_a_source_leads_to_import(call: Call) -> None:
    Path("export.jsonl").write_text("{}\n")
    for command in (("doctor", "./export.jsonl"), ("query", "up", "--source", "export.jsonl")):
        code, out, err = call(*command)
        assert code in (2, 3, 11)
        assert "is a file" in out + err
        assert "meshlab import" in out + err
