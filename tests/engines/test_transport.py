"""Servers that misbehave: each fault becomes one typed sentence, without hanging."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from meshlab.engines.http import PrometheusEngine
from meshlab.errors import ConfigError, Refused, Unreachable

GOOD = b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'
Reply = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Reply], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(reply: Reply) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply(self)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, kind: str = "application/json", **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", headers.pop("length", str(len(body))))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize(
    ("status", "kind", "body", "says"),
    [
        (200, "text/html", b"<html>Log in</html>", "text/html, not with Prometheus's API"),
        (401, "application/json", b"{}", "asks for credentials"),
        (403, "text/plain", b"no", "asks for credentials"),
        (404, "text/plain", b"404 page not found", "404 with text/plain"),
        (200, "application/json", b'{"hello":"world"}', "did not answer as Prometheus does"),
        (200, "application/json", b'{"status":"success","data":{"resu', "did not answer as Prometheus does"),
    ],
)
def test_what_is_no_prometheus_is_refused(serve: Serve, status: int, kind: str, body: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        PrometheusEngine(serve(lambda h: send(h, body, status, kind))).query("up")


def test_busy_servers_are_asked_again(serve: Serve) -> None:
    count = 0

    def reply(handler: BaseHTTPRequestHandler) -> None:
        nonlocal count
        count += handler.path.endswith("/query")
        if count < 3:
            send(handler, b"slow down", 429 if count == 1 else 503, "text/plain", Retry_After="0")
        else:
            send(handler, GOOD)

    assert PrometheusEngine(serve(reply)).query("up").value.tolist() == [2]
    assert count == 3


def test_a_server_that_stays_busy_is_refused(serve: Serve) -> None:
    with pytest.raises(Refused, match="429"):
        PrometheusEngine(serve(lambda h: send(h, b"no", 429, "text/plain", Retry_After="0"))).query("up")


def test_redirects_stay_on_the_host(serve: Serve) -> None:
    elsewhere = "http://127.0.0.2:1/login"
    with pytest.raises(Refused, match=r"redirects to another host \(http://127\.0\.0\.2:1\)"):
        PrometheusEngine(serve(lambda h: send(h, b"", 302, Location=elsewhere))).query("up")

    def reply(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/prometheus"):
            send(handler, GOOD)
        else:
            send(handler, b"", 307, Location=f"/prometheus{handler.path}")

    assert PrometheusEngine(serve(reply)).query("up").value.tolist() == [2]
    with pytest.raises(Refused, match="keeps redirecting"):
        PrometheusEngine(serve(lambda h: send(h, b"", 302, Location=h.path))).query("up")


def test_a_server_that_takes_no_post_is_asked_by_get(serve: Serve) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        send(handler, GOOD) if handler.command == "GET" else send(handler, b"", 405, "text/plain")

    assert PrometheusEngine(serve(reply)).query("up").value.tolist() == [2]


def test_a_server_that_hangs_is_left(serve: Serve) -> None:
    with pytest.raises(Unreachable, match=r"within 0\.2 s|no use after retries|timed out"):
        PrometheusEngine(serve(lambda _: time.sleep(3)), timeout_s=0.2).query("up")


def test_an_answer_that_breaks_off_is_no_answer(serve: Serve) -> None:
    with pytest.raises(Unreachable, match="broke off"):
        PrometheusEngine(serve(lambda h: send(h, GOOD[:20], length=str(len(GOOD))))).query("up")


def test_an_endless_answer_is_cut(serve: Serve) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 65536)
        except OSError:
            pass

    with pytest.raises(Refused, match="longer than 1,000,000 bytes"):
        PrometheusEngine(serve(reply), max_bytes=1_000_000).query("up")


def test_nothing_there() -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        PrometheusEngine("http://127.0.0.1:1").query("up")


@pytest.mark.parametrize(
    "url", ["http://user:secret@host:9090", "http://token@host", "ftp://host", "http://", "http://h?x=1"]
)
def test_addresses_that_are_none_or_hold_secrets_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PrometheusEngine(url)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
