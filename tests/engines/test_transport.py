"""Servers that misbehave: each fault becomes one typed sentence, without hanging."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from limited import connection

from meshlab.config import Kind, Limits
from meshlab.engines import transport
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery, ConfigError, Refused, Unreachable

GOOD = b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'
Reply = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Reply], str]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, not waited for."""
    taken: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", taken.append)
    return taken


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
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
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
        (401, "application/json", b"{}", r"\((401|403)\)"),
        (403, "text/plain", b"no", r"\((401|403)\)"),
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
    assert count == 4, "the last one is about the kind of store"


def test_a_server_that_stays_busy_is_refused(serve: Serve, pauses: list[float]) -> None:
    with pytest.raises(Refused, match=r"too many requests \(429, 4 tries\)"):
        PrometheusEngine(serve(lambda h: send(h, b"no", 429, "text/plain", Retry_After="2"))).query("up")
    assert pauses == [2, 2, 2]


@pytest.mark.parametrize(("asked", "taken"), [("soon", [0.3, 0.6, 1.2]), ("-1", [0.3, 0.6, 1.2]), ("3600", [])])
def test_nobody_waits_for_as_long_as_a_server_likes(
    serve: Serve, pauses: list[float], asked: str, taken: list[float]
) -> None:
    with pytest.raises(Unreachable, match=rf"answered 503 {len(taken) + 1} times; it is starting or overloaded"):
        PrometheusEngine(serve(lambda h: send(h, b"no", 503, "text/plain", Retry_After=asked))).query("up")
    assert pauses == taken


def test_a_query_that_took_too_long_is_not_sent_again(serve: Serve, pauses: list[float]) -> None:
    late = b'{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}'
    with pytest.raises(Refused, match=r"\(timeout\): query timed out .*; try again, or ask for less at once"):
        PrometheusEngine(serve(lambda h: send(h, late, 503))).query("up")
    assert pauses == []


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
    over = threading.Event()
    asked = []

    def hang(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        over.wait(30)

    with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
        PrometheusEngine(connection(serve(hang), limits=Limits(timeout_s=0.2))).query("up")
    over.set()
    assert len(asked) == 1, "a query that hangs is not sent again"


def test_a_server_that_drips_is_left(serve: Serve) -> None:
    over = threading.Event()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not over.wait(0.02):
            handler.wfile.write(b" ")

    with pytest.raises(Unreachable, match="did not end within 1 s"):
        PrometheusEngine(connection(serve(reply), limits=Limits(timeout_s=0.1))).query("up")
    over.set()


def test_an_answer_that_breaks_off_is_no_answer(serve: Serve, pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match="broke off 4 times"):
        PrometheusEngine(serve(lambda h: send(h, GOOD[:20], length=str(len(GOOD))))).query("up")
    assert pauses == [0.3, 0.6, 1.2]


def test_a_connection_that_breaks_is_tried_again(serve: Serve) -> None:
    count = 0

    def reply(handler: BaseHTTPRequestHandler) -> None:
        nonlocal count
        count += 1
        if count == 1:
            handler.close_connection = True
        elif count == 2:
            send(handler, GOOD[:20], length=str(len(GOOD)))
            handler.close_connection = True
        else:
            send(handler, GOOD)

    assert PrometheusEngine(serve(reply)).query("up").value.tolist() == [2]


def test_compressed_answers_on_demand(serve: Serve) -> None:
    asked = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Accept-Encoding"])
        send(handler, gzip.compress(GOOD), Content_Encoding="gzip")

    url = serve(reply)
    assert PrometheusEngine(connection(url, compression=True)).query("up").value.tolist() == [2]
    PrometheusEngine(url).query("up")
    assert set(asked[:3]) == {"gzip"}
    assert set(asked[3:]) == {"identity"}


def test_a_compressed_bomb_is_cut(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    with pytest.raises(Refused, match="longer than 1,000,000 bytes"):
        PrometheusEngine(
            connection(
                serve(lambda h: send(h, bomb, Content_Encoding="gzip")),
                compression=True,
                limits=Limits(bytes=1_000_000),
            )
        ).query("up")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/stream+json"])
def test_kinds_of_json(serve: Serve, kind: str) -> None:
    assert PrometheusEngine(serve(lambda h: send(h, GOOD, kind=kind))).query("up").value.tolist() == [2]


def test_a_long_query_travels_in_the_body(serve: Serve) -> None:
    seen = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.command, handler.path))
        send(handler, GOOD)

    PrometheusEngine(serve(reply)).query("up" + " or up" * 20_000)
    assert seen[-1] == ("POST", "/api/v1/query")


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
        PrometheusEngine(connection(serve(reply), limits=Limits(bytes=1_000_000))).query("up")


def test_nothing_there() -> None:
    with pytest.raises(Unreachable, match=r"\(connection refused\); check .* curl http://127.0.0.1:1/-/ready"):
        PrometheusEngine("http://127.0.0.1:1").query("up")
    with pytest.raises(Unreachable, match=r"\(unknown host\)"):
        PrometheusEngine("http://nowhere.invalid").query("up")


SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    "how",
    [{"auth": ("me", SECRET)}, {"headers": {"Authorization": f"Bearer {SECRET}"}}, {"headers": {"X-Api-Key": SECRET}}],
)
def test_secrets_are_sent_and_never_said(serve: Serve, how: dict[str, object]) -> None:
    """Even by a server that repeats what it was sent."""
    sent = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        sent.append(str(handler.headers))
        told = f"I was sent {' '.join(handler.headers.values())} and know {SECRET}"
        send(handler, json.dumps({"status": "error", "errorType": "bad_data", "error": told}).encode(), 400)

    engine = PrometheusEngine(connection(serve(reply), **how))  # type: ignore[arg-type]
    with pytest.raises(BadQuery, match=r"I was sent .*\*\*\*") as caught:
        engine.query("up")
    assert caught.value.__cause__ is None
    assert SECRET in sent[0] or "Basic " in sent[0]
    for text in (str(caught.value), engine.description, repr(engine)):
        assert SECRET not in text
        assert "bWU6czNjcjN0" not in text, "nor the password in base64"


@pytest.mark.parametrize(
    ("tenant", "says"),
    [("team-a", "tenant team-a has"), ("customer-4711", r"tenant \*\*\* has"), ("127.0.0.100", "127.0.0.1:")],
)
def test_a_tenant_is_hidden_as_a_whole_and_when_it_is_no_mere_word(serve: Serve, tenant: str, says: str) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        told = f"tenant {handler.headers['X-Scope-OrgID']} has no such metric"
        send(handler, json.dumps({"status": "error", "errorType": "bad_data", "error": told}).encode(), 400)

    engine = PrometheusEngine(connection(serve(reply), kind=Kind.MIMIR, tenant=tenant))
    with pytest.raises(BadQuery, match=says):
        engine.query("up")


def test_a_header_that_cannot_be_sent_is_refused_without_its_value() -> None:
    for value in (f"{SECRET}\n", f"{SECRET}ü"):
        with pytest.raises(ConfigError, match="header 'X-Token' cannot be sent") as caught:
            PrometheusEngine(connection("http://127.0.0.1:1", headers={"X-Token": value}))
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@host:9090",
        "http:/user:secret@host",
        "http://token@host",
        "ftp://host",
        "http://",
        "http://h?x=secret",
        "http://h#secret",
        "http://h:99999",
        "http://[::1",
        "http://a b",
        "http://h\n",
        "h:9090",
    ],
)
def test_addresses_that_are_none_or_hold_secrets_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PrometheusEngine(url)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
