"""What a user gets wrong ends in one sentence, the documented exit code, no traceback, and nothing half written."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def asked(cwd: Path, *words: str, notebook: str = "canary-verdict") -> tuple[int, str]:
    out = cwd / "out"
    out.mkdir()
    command = [sys.executable, "-m", "meshlab", "report", notebook, "-o", str(out / "new"), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert list(out.iterdir()) == [], "nothing half written"
    (line,) = done.stderr.splitlines()
    assert line.startswith("meshlab: ")
    assert "Traceback" not in line
    assert "; " in line, "it says what to try"
    return done.returncode, line


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ["-p", "service=catalogue"],
            2,
            "'catalogue' was never seen in canary-regression; did you mean catalog?",
        ),
        (["-p", "canary=v3"], 2, "canary-regression has no version 'v3' of Kubernetes/shop/catalog"),
        (["-p", "namespace=shopp"], 2, "namespace 'shopp' was never seen"),
        (["-p", "start=2020-01-01T00:00:00Z", "-p", "end=2020-01-01T01:00:00Z"], 2, "lies outside canary-regression"),
        (["-p", "start=2020-01-01T00:00:00"], 2, "has no time zone"),
        (["-p", "servce=catalog"], 2, "no parameter 'servce'; did you mean service?"),
        (["-p", "alpha=often"], 2, "parameter alpha is 'often', not a number"),
        (["-p", "alpha=7"], 2, "alpha is 7"),
        (["--source", "canary-regresion"], 2, "did you mean canary-regression?"),
        (["--source", "http://127.0.0.1:1"], 3, "nothing answers at http://127.0.0.1:1 (connection refused)"),
        (["--source", "http://user:pass@127.0.0.1:1"], 2, "holds a user or password"),
        (["--source", "./nowhere"], 3, "there is no recording at"),
    ],
)
def test_it_is_said_in_one_sentence(tmp_path: Path, words: list[str], code: int, says: str) -> None:
    found, line = asked(tmp_path, *words)
    assert says in line
    assert found == code


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-p", "service=catalogue"], 2, "'catalogue' was never seen in scale-out; did you mean catalog?"),
        (["-p", "hpa_file=none.yaml"], 2, "the autoscaler's file none.yaml cannot be read"),
        (["-p", "short_warn=5"], 2, "short_warn is 5"),
        (["-p", "sync_s=soon"], 2, "parameter sync_s is 'soon', not a number"),
    ],
)
def test_the_scaling_notebook_says_it_in_one_sentence(tmp_path: Path, words: list[str], code: int, says: str) -> None:
    found, line = asked(tmp_path, *words, notebook="scaling-behaviour")
    assert says in line
    assert found == code


def test_a_folder_that_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    code, line = asked(tmp_path, "--source", "./mine")
    assert code == 3
    assert "is not a recording: it has no manifest.json" in line


def test_a_truncated_recording(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "data" / "canary-healthy", tmp_path / "data" / "cut")
    samples = tmp_path / "data" / "cut" / "samples.parquet"
    samples.write_bytes(samples.read_bytes()[:-100])
    code, line = asked(tmp_path, "--source", "cut")
    assert code == 3
    assert "samples.parquet is damaged" in line


@pytest.fixture
def web_page() -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"<html><title>Welcome</title></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_address_that_is_no_prometheus(tmp_path: Path, web_page: str) -> None:
    code, line = asked(tmp_path, "--source", web_page)
    assert code == 3
    assert "answered 200 with text/html, not with Prometheus's API" in line


def test_plain_papermill_works_and_refuses_a_version_that_became_a_number(tmp_path: Path) -> None:
    notebook = str(ROOT / "notebooks" / "canary-verdict.ipynb")
    papermill = [sys.executable, "-m", "papermill", "--no-progress-bar", notebook, str(tmp_path / "out.ipynb")]
    done = subprocess.run(
        [*papermill, "-p", "canary", "1.10"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "canary is the float 1.1, not text; with papermill write -r canary" in done.stderr
    done = subprocess.run(
        [*papermill, "-p", "source", "canary-healthy"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert '"verdict": "PASS"' in (tmp_path / "out.ipynb").read_text()
