"""Remote read is an offer: where a server has none, or answers with something else, nothing is lost but the markers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from meshlab.config import Kind, Profile
from meshlab.core.selector import equal
from meshlab.core.window import Span
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import EngineError, Refused, TooMuch, Unreachable

SPAN = Span(1_769_860_800_000, 1_769_860_900_000)
PROTOBUF = "application/x-protobuf"


@contextmanager
def answering(status: int, kind: str, body: bytes, length: int | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers every POST in one way; its address, and what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Encoding", "snappy")
            self.send_header("Location", "http://127.0.0.2/elsewhere")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def engine(url: str) -> PrometheusEngine:
    profile = Profile(url=url, kind=Kind.PROMETHEUS, cache=False)
    return PrometheusEngine(Connection.of("test", profile, cache=None))


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (404, "text/plain", b"404 page not found\n"),
        (405, "application/json", b"{}"),
        (302, PROTOBUF, b""),
        (200, "text/html", b"<html></html>"),
        (200, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", b"\x00"),
        (400, PROTOBUF, b"exceeded sample limit (50000000)"),
    ],
)
def test_a_server_without_it_tells_nothing(status: int, kind: str, body: bytes) -> None:
    with answering(status, kind, body) as (url, sent):
        assert engine(url).stale_markers([equal("__name__", "up")], [SPAN]) is None
        assert len(sent) == 1, "asked once"


@pytest.mark.parametrize(
    ("body", "length", "error"),
    [
        (b"\x05garbage", None, Refused),
        (b"\xff" * 40, None, Refused),
        (b"\xff\xff\xff\xff\x7f" + b"x" * 20, None, TooMuch),
        (b"\x05ab", 100, Unreachable),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_an_engine(
    body: bytes, length: int | None, error: type[EngineError]
) -> None:
    with answering(200, PROTOBUF, body, length) as (url, _), pytest.raises(error):
        engine(url).stale_markers([equal("__name__", "up")], [SPAN])


def test_an_empty_answer_has_no_markers() -> None:
    with answering(200, PROTOBUF, b"\x00") as (url, _):
        found = engine(url).stale_markers([equal("__name__", "up")], [SPAN])
        assert found is not None
        assert not len(found.sid)
