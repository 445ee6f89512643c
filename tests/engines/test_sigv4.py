"""Amazon's signatures, against a server that makes them anew with botocore's own code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from meshlab.core.window import Window
from meshlab.errors import ConfigError, Refused
from meshlab.telemetry.source import open_engine

pytest.importorskip("botocore")

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
GOOD = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


def signature(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    """What the request's Authorization must be, from its own date."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {"Content-Type": handler.headers["Content-Type"]} if handler.headers["Content-Type"] else {}
    url = f"http://{handler.headers['Host']}{handler.path}"
    request = AWSRequest(handler.command, url, {**headers, "X-Amz-Date": handler.headers["X-Amz-Date"]}, body)
    request.context["timestamp"] = handler.headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials("AKID", SECRET), "aps", "eu-west-1")
    text = signer.canonical_request(request)
    signed = signer.signature(signer.string_to_sign(request, text), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signed}"


@pytest.fixture
def amazon() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            right = self.headers.get("Authorization") == signature(self, body) and "botocore" not in self.path
            text = GOOD if right else b'{"message":"The signature does not match"}'
            self.send_response(200 if right else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/workspaces/ws-1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(tmp_path: Path, amazon: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    lines = f'[profile.amp]\nurl = "{amazon}"\nauth = "sigv4"\nregion = "eu-west-1"\n'
    (tmp_path / "meshlab.toml").write_text(lines)
    return tmp_path


def test_each_request_is_signed(place: Path) -> None:
    engine = open_engine("amp", cwd=place)
    assert len(engine.query('sum by (code) (rate(m{a="b c+d"}[5m]))')) == 0
    assert len(engine.query_range("up", Window(0, 60_000, 15_000))) == 0


def test_a_wrong_secret_is_refused_and_never_printed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-of-some-length")
    with pytest.raises(Refused, match="403") as raised:
        open_engine("amp", cwd=place).query("up")
    assert "another-secret" not in str(raised.value)


def test_what_is_missing_is_one_sentence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigError, match="no AWS credentials"):
        open_engine("amp", cwd=place)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r"pip install 'meshlab\[aws\]'"):
        open_engine("amp", cwd=place)
