"""Notebooks small enough to run in a second, and one that needs no kernel to be looked at."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from meshlab.core.results import Finding, Result, Verdict

PARAMETERS = (
    'source = ""  # what to ask\ncanary = "v2"  # version that is tried\nalpha = 0.02  # risk\nloud = False  # or not'
)
SHOW = """from meshlab.core.results import Finding, Result, Verdict
finding = Finding(code="ML-TST-001", verdict=Verdict.FAIL, subject="c/n/s", statement=f"tried {canary}", value=1.5)
Result(question="test", subject="c/n/s", verdict=Verdict.FAIL, headline=f"{canary} {source}", findings=[finding])"""
HOSTILE = """"><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\x1b[31m{{ 7*7 }} `*_$"""


def notebook(*cells: str) -> nbformat.NotebookNode:
    """A title, the parameters and the given code cells."""
    head = [
        new_markdown_cell("# A tiny question\n\nIt asks nothing.", id="title"),
        new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters"]}),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    body = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(cells)]
    return new_notebook(cells=head + body, metadata={"kernelspec": kernel})


def written(folder: Path, *cells: str, name: str = "tiny") -> Path:
    """The same, as a file."""
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook(*cells), path)
    return path


def result(text: str = "all is well", verdict: Verdict = Verdict.PASS) -> Result:
    """A Result with the given text wherever a text can be."""
    findings = [
        Finding(
            code="ML-TST-001",
            verdict=verdict,
            subject=text,
            statement=text,
            value=0.25,
            interval=(-0.5, float("inf")),
            level=0.98,
            threshold=0.5,
            unit="points",
            action=text,
            query=text,
        ),
        Finding(code="ML-TST-002", verdict=None, required=False, subject=text, statement="not there"),
    ]
    return Result(
        question="test",
        subject=text,
        verdict=verdict,
        headline=text,
        findings=findings,
        window="2026-01-31T12:00:00Z to 2026-01-31T13:00:00Z, step 15s",
        source=text,
    )


def executed(
    text: str = "all is well", verdict: Verdict = Verdict.PASS, html: str = "<p>a table</p>"
) -> nbformat.NotebookNode:
    """A notebook as if it had run: a result, a figure, a wide table, foreign HTML and a stream."""
    nb = notebook("show(result)")
    bundle = result(text, verdict)._repr_mimebundle_()
    nb.cells[2].outputs = [new_output("execute_result", json.loads(json.dumps(bundle)), execution_count=1)]
    heads = "".join(f"<th>a long column {n}</th>" for n in range(12))
    row = "<tr>" + "".join(f"<td>{n * 1000.5}</td>" for n in range(12)) + "</tr>"
    table = f'<table border="1" class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{row}</tbody></table>'
    shown = [
        new_output("display_data", {"image/png": png()}, metadata={"image/png": {"alt": text}}),
        new_output("display_data", {"text/html": table}),
        new_output("display_data", {"text/html": html}),
        new_output("stream", name="stderr", text=text),
    ]
    nb.cells.insert(2, new_markdown_cell("## Verdict", id="verdict"))
    nb.cells += [
        new_markdown_cell("## Evidence\n\n[near](../x.md), [far](https://example.org/), `code`.", id="evidence"),
        new_code_cell("draw()", id="draw", outputs=shown),
        new_markdown_cell("## Evidence", id="again"),
    ]
    nb.metadata.papermill = {"start_time": "2026-01-31T13:00:00.5+01:00", "duration": 3.25}
    return nb


def png(width: int = 800, height: int = 400) -> str:
    """A grey picture, base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x99" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()
