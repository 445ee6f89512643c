"""Any bytes in place of an answer: an answer, or an error of meshlab's, never another."""

from __future__ import annotations

from random import Random

import fault_server as fault
import pytest
from fault_server import FaultServer
from limited import engine_at

from meshlab.core.sanitize import plain
from meshlab.core.series import Query
from meshlab.core.window import Window
from meshlab.engines import transport
from meshlab.engines.label_tables import read_series
from meshlab.engines.matrix import decode
from meshlab.errors import EngineError

WINDOW = Window(0, 60_000, 15_000)
QUESTION = Query("m", "test", window=WINDOW)
SERIES = [({"a": "x", "b": "y,[]"}, [[0, "1"], [15, "NaN"], [30, "+Inf"]]), ({"a": "z"}, [[15.123, "-2.5e-3"]])]
MATRIX = fault.matrix(*SERIES, warnings=["w"], infos=["i"])
PARTS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\",
    b" ",
    b"\0",
    b"\xff",
    b"null",
    b"0",
    b"1e999",
    b"[0,",
    b'"1"]',
)


def spoilt(random: Random, text: bytes) -> bytes:
    """Some bytes lost, doubled, changed or put in."""
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((0, 0, 1, 2, 10)))
        put = random.choice((b"", random.choice(PARTS), bytes([random.randrange(256)]), text[at : at + 30]))
        text = text[:at] + put + text[end:]
    return text


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_json_is_decoded_or_refused(seed: int) -> None:
    random, said = Random(seed), set()
    listed = fault.data([{"a": "x", "b": "y"}, {"a": "z"}])
    for _ in range(500):
        for read, text in ((decode, MATRIX), (read_series, listed)):
            try:
                found = read(spoilt(random, text), QUESTION, "test", max_series=random.choice((1, 2, 100)))
                assert len(found.sid) == len(found.time) == found.query.points_got
                assert len(found.labels) <= 100
            except EngineError as error:
                said.add(str(error))
    assert all(text == plain(text) for text in said)


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_http_is_read_or_refused(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random, said = Random(seed), set()
    monkeypatch.setattr(transport.time, "sleep", lambda _: None)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    whole = (
        head + b"Content-Length: %d\r\n\r\n%b" % (len(MATRIX), MATRIX),
        head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(MATRIX), MATRIX),
        head + b"Content-Encoding: gzip\r\n\r\n" + fault.gzip.compress(MATRIX),
        b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    )

    def answer(exchange: fault.Exchange) -> None:
        text = random.choice(whole)
        end = random.choice((len(text), text.index(b"\r\n\r\n") + 4))
        fault.verbatim(spoilt(random, text[:end]) + text[end:])(exchange)

    with FaultServer(answer) as server:
        engine = engine_at(server.url, timeout_s=2, compression=True)
        for _ in range(60):
            try:
                found = engine.query_range("m", WINDOW)
                assert found.query.points_got == len(found.value)
            except EngineError as error:
                said.add(str(error))
    assert all(text == plain(text) for text in said)
