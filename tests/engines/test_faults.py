"""A store that misbehaves: each fault ends in the right typed error, in one sentence, or in a complete answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import fault_server as fault
import numpy as np
import pytest
from fault_server import GOOD, Authority, Fault, FaultServer, answer
from limited import connection, engine_at

from meshlab.config import Limits
from meshlab.core.window import Window
from meshlab.engines import transport
from meshlab.engines.transport import Transport
from meshlab.errors import BadQuery, ConfigError, EngineError, Refused, TooManySeries, TooMuch, Unreachable

QUICK = 0.25
"""Seconds: the time-out where it is met."""
FAIR = 10.0
"""Seconds: the time-out where it is not."""
WINDOW = Window(0, 60_000, 15_000)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, not waited for."""
    taken: list[float] = []

    class Clock:
        monotonic = staticmethod(transport.time.monotonic)
        sleep = staticmethod(taken.append)

    monkeypatch.setattr(transport, "time", Clock)
    return taken


def ask(*script: Fault, **settings: object) -> object:
    with FaultServer(*script) as server:
        return engine_at(server.url, **{"timeout_s": FAIR, **settings}).query("up").value.tolist()  # type: ignore[arg-type]


def one_sentence(error: EngineError) -> bool:
    text = str(error)
    return text.isprintable() and len(text) < 1500 and error.__cause__ is None and bool(error.hint)


TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ONE = ({"a": "x"}, [0, "1"])
DRIPPED_GZIP = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
"""The beginning of a gzip file whose name never ends."""


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        # no JSON, no Prometheus
        (answer(b"<html>Log in</html>", kind="text/html"), Refused, "200 with text/html, not with Prometheus"),
        (answer(b"<html>Log in</html>"), Refused, "did not answer as Prometheus does: it sent '<html>"),
        (answer(b"", 204, None), Refused, "204 with no content type"),
        (answer(b"", 302, "text/html"), Refused, "302 with text/html"),
        (answer(b""), Refused, "it sent nothing"),
        # errors in their envelope
        (answer(fault.error("bad_data", "parse error: x"), 400), BadQuery, "parse error: x; correct the query"),
        (answer(fault.error("bad_data", "parse error: x")), BadQuery, "parse error"),
        (answer(fault.error("internal", "disk on fire"), 500), Refused, "disk on fire"),
        (answer(GOOD, 500), Refused, "answered 500, and data with it"),
        # credentials
        (answer(b"no org id\n", 401, "text/plain"), Refused, "names no tenant"),
        (answer(b"{}", 401), Refused, r"authentication failed \(401\)"),
        (answer(b"no", 403, "text/plain"), Refused, r"\(403\)"),
        # too long
        (answer(b"<html>", 413, "text/html"), TooMuch, r"too large \(413\)"),
        (answer(fault.error("bad_data", "long"), 414), TooMuch, r"too large \(414\)"),
        # redirects
        (fault.redirect("http://127.0.0.2:9/{path}"), Refused, r"redirects to another host .http://127.0.0.2:9."),
        (fault.redirect("//user:s3cret@evil.invalid/"), Refused, r"to another host \(http://evil\.invalid\)"),
        (fault.redirect("ftp://127.0.0.1/"), Refused, "to another host"),
        (fault.redirect("http://127.0.0.1:1/"), Refused, "to another host"),
        (fault.redirect("http://[::1"), Refused, "redirects to an invalid address"),
        (fault.redirect("{path}"), Refused, "keeps redirecting"),
        (fault.redirect("{path}", 307), Refused, "keeps redirecting"),
        (fault.redirect("{path}", body=fault.endless()), Refused, "keeps redirecting"),
        (fault.redirect("{path}", body=fault.drip()), Refused, "keeps redirecting"),
        (fault.endless_head(every_s=0), Refused, "malformed HTTP headers"),
        (fault.endless_head(b"a" * 8000, every_s=0), Refused, "malformed HTTP headers"),
        # answers that end too early, or lie about their length
        (answer(GOOD[:20], length=len(GOOD)), Unreachable, "broke off 4 times"),
        (answer(GOOD, length=20), Refused, "did not answer as Prometheus"),
        (answer(GOOD, length=len(GOOD) + 1), Unreachable, "broke off 4 times"),
        (fault.chunked([GOOD[:20]], end=False), Unreachable, "broke off 4 times"),
        (fault.chunked([GOOD], end=False), Unreachable, "broke off 4 times"),
        (fault.chunked([GOOD[:20]]), Refused, "did not answer as Prometheus"),
        (fault.packed(GOOD, cut=9), Unreachable, r"broke off 4 times \(TruncatedBody\)"),
        (fault.packed(GOOD, cut=8), Unreachable, r"broke off 4 times \(TruncatedBody\)"),
        (answer(b"no gzip", Content_Encoding="gzip"), Unreachable, r"broke off 4 times \(TruncatedBody\)"),
        (answer(GOOD, Content_Encoding="br"), Refused, r"unexpected Content-Encoding 'br'"),
        (answer(GOOD, Content_Encoding="gzip, gzip"), Refused, "unexpected Content-Encoding"),
        (fault.reset, Unreachable, r"broke off 4 times \(the connection was closed"),
        (fault.shut, Unreachable, r"broke off 4 times \(the connection was closed"),
        (fault.reset_after(GOOD[:20]), Unreachable, "broke off 4 times"),
        # no HTTP
        (fault.verbatim(b"SSH-2.0-OpenSSH\r\n\r\n"), Unreachable, "it does not speak HTTP"),
        (fault.verbatim(b"\x15\x03\x01\x00\x02\x02\x46"), Unreachable, "broke off 4 times"),
        (fault.verbatim(b"HTTP/1.1 abc\r\n\r\n"), Unreachable, "it does not speak HTTP"),
        (fault.verbatim(TWO_LENGTHS), Refused, "malformed HTTP headers"),
        # limits
        (fault.endless(), TooMuch, "longer than 1,000,000 bytes"),
        (fault.endless(Content_Length="2000000000"), TooMuch, "longer than 1,000,000 bytes"),
        (fault.gzip_bomb(50 << 20), TooMuch, r"longer than 1,000,000 bytes.*or raise bytes in the limits"),
        (answer(b"".join(fault.many_series(101))), TooManySeries, r"than 100 series; aggregate.*series in the limits"),
        (answer(fault.data({"resultType": "string", "result": [0, "x"]})), BadQuery, "is a string"),
    ],
)
def test_a_fault_is_a_typed_error(script: Fault, error: type[EngineError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        ask(script, max_bytes=1_000_000, max_series=100)
    assert caught.type is error
    assert one_sentence(caught.value)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (fault.hang, r"did not answer within 0\.25 s"),
        (fault.drip(), r"did not end within 2\.5 s"),
        (fault.drip(Content_Length="1000000"), r"did not end within 2\.5 s"),
        (fault.drip(b"x", start=b"5;x=", Transfer_Encoding="chunked"), "did not end within"),
        (fault.drip(b"n", start=DRIPPED_GZIP, Content_Encoding="gzip"), "did not end within"),
        (fault.drip(every_s=0.5), "did not answer within"),
        (fault.endless_head(), r"did not answer within 0\.25 s"),
        (fault.endless_head(b"a"), r"did not answer within 0\.25 s"),
        (fault.endless_head(CONTINUE, 0.01, CONTINUE), "did not answer within"),
        (fault.drip(b"0", Transfer_Encoding="chunked"), "did not end within|broke off"),
    ],
)
def test_an_answer_that_does_not_end_is_left(script: Fault, says: str) -> None:
    with pytest.raises(Unreachable, match=says) as caught:
        ask(script, timeout_s=QUICK)
    assert one_sentence(caught.value)


STRANGER = "did not answer as Prometheus does"
UNREADABLE = "answered with data that cannot be read"


def found(kind: str, *series: object) -> bytes:
    return fault.data({"resultType": kind, "result": series})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"status":"success"}', STRANGER),
        (b'{"status":"success","data":null}', STRANGER),
        (b'{"status":1,"data":{}}', STRANGER),
        (GOOD[:-1] + b',"warnings":"w"}', STRANGER),
        (GOOD[:-1] + b',"infos":[1]}', STRANGER),
        (b"[" * 100_000, STRANGER),
        (b'{"status":"success","data":' + b'{"a":' * 100_000, STRANGER),
        (b"\xff\xfe{}", STRANGER),
        (fault.vector(({"a": "x"}, [0, "1"])).replace(b"x", b"\xff"), UNREADABLE),
        (fault.vector(({"a": "x"}, [0, "1"])).replace(b'"x"', rb'"\ud800"'), STRANGER),
        (found("streams"), "a result of type 'streams'"),
        (found("matrix", {"metric": {}, "value": [0, "1"]}), "a series without values"),
        (found("vector", {"metric": {}, "values": [[0, "1"]]}), "a series without value"),
        (found("matrix", {"values": [[0, "1"]]}), UNREADABLE),
        (found("matrix", {"metric": {}, "values": None}), "not a time with a quoted value"),
        (found("vector", {"metric": {"a": 1}, "value": [0, "1"]}), UNREADABLE),
        (found("vector", {"metric": None, "value": [0, "1"]}), UNREADABLE),
        (found("vector", {"metric": ["a"], "value": [0, "1"]}), UNREADABLE),
        (found("vector", *[{"metric": {"a": "x"}, "value": [0, "1"]}] * 2), "the same series twice"),
        (fault.vector(({"a": ""}, [0, "1"]), ({}, [0, "2"])), "the same series twice"),
        (fault.matrix(({}, [[0, 1]])), "not a time with a quoted value"),
        (fault.matrix(({}, [[0, 1], [15, "2"]]), ({"a": "x"}, [[0, "1", ""]])), "not a time with a quoted value"),
        (fault.matrix(({}, [[0, "1"], [15, None]])), "not a time with a quoted value"),
        (fault.matrix(({}, [[0, "1"], []])), "not a time with a quoted value"),
        (fault.matrix(({}, [[[0, "1"]]])), "not a time with a quoted value"),
        (fault.matrix(({}, [[0, "1", 5], [15, "1"]])), UNREADABLE),
        (fault.matrix(({}, [["1"]])), UNREADABLE),
        (fault.matrix(({}, [[0, "1 2"]])), "a value that is not a number"),
        (fault.matrix(({}, [[0, "1]2"]])), "a value that is not a number"),
        (fault.matrix(({}, [[0, "1,2"]])), UNREADABLE),
        (fault.matrix(({}, [[0, "1[2"]])), "not a time with a quoted value"),
        (fault.vector(({}, [0, "1\t2"])), UNREADABLE),
        (json.dumps(json.loads(fault.matrix(({}, [[0, "1"], [15, "1 2"]])))).encode(), "a value that is not a number"),
        (fault.matrix(({}, [[0, "one"]])), UNREADABLE),
        (fault.matrix(({}, [[0, ""]])), UNREADABLE),
        (fault.matrix(({}, [[1_769_860_800_000, "1"]])), "an invalid time"),
        (fault.matrix(({}, [[-1e15, "1"]])), "an invalid time"),
        (fault.matrix(({}, [[1e400, "1"]])), STRANGER),
        (fault.matrix(({}, [[1e300, "1"]])), "an invalid time"),
        (fault.matrix(({}, [["NaN", "1"]])), "not a time with a quoted value"),
        (fault.matrix(({}, [[{"a": "b"}, "1"]])), UNREADABLE),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        ask(answer(body))
    assert caught.type is Refused
    assert one_sentence(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        [answer(GOOD)],
        [answer(GOOD, kind="application/json; charset=utf-8")],
        [answer(GOOD + b"\n \n")],
        [fault.chunked([GOOD[:7], GOOD[7:]])],
        [fault.chunked([bytes([b]) for b in GOOD])],
        [fault.streamed(lambda: [GOOD])],
        [fault.packed(GOOD)],
        [answer(fault.gzip.compress(GOOD[:9]) + fault.gzip.compress(GOOD[9:]), Content_Encoding="x-gzip")],
        [answer(fault.gzip.compress(GOOD) + b"\0" * 512, Content_Encoding="gzip")],
        [fault.redirect("/elsewhere{path}", 307), answer(GOOD)],
        [fault.reset, answer(GOOD)],
        [fault.shut, fault.reset_after(GOOD[:9]), fault.chunked([GOOD[:9]], end=False), answer(GOOD)],
        [fault.packed(GOOD, cut=4), answer(GOOD)],
        [fault.verbatim(b"HTTP/1.1 abc\r\n\r\n"), answer(GOOD)],
        [answer(b"no", 429, "text/plain"), answer(b"no", 502, "text/html"), answer(b"", 504, None), answer(GOOD)],
        [answer(b"no", 405, "text/plain"), answer(GOOD)],
        # A name given twice: the last counts, as in every reader of JSON.
        [answer(GOOD.replace(b'"result":', b'"result":[5,"6"],"result":'))],
    ],
)
def test_an_answer_that_comes_in_the_end_is_whole(script: list[Fault]) -> None:
    assert ask(*script) == [2]


# Busy servers


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (None, [0.3, 0.6, 1.2]),
        ("2", [2, 2, 2]),
        ("0", [0.3, 0.6, 1.2]),
        ("soon", [0.3, 0.6, 1.2]),
        ("-1", [0.3, 0.6, 1.2]),
        ("3600", []),
        ("9" * 5000, []),
        ("Sat, 31 Feb 2026 99:99:99 GMT", [0.3, 0.6, 1.2]),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_of_refusals_ends(asked: str | None, taken: list[float], status: int, pauses: list[float]) -> None:
    headers = {} if asked is None else {"Retry_After": asked}
    with FaultServer(answer(b"no", status, "text/plain", **headers)) as server:
        with pytest.raises(Refused if status == 429 else Unreachable, match=r"429|503"):
            engine_at(server.url, timeout_s=FAIR).query("up")
        assert len(server.asked) == len(taken) + 1
    assert pauses == taken


@pytest.mark.parametrize("skew_h", [-5, 0, 5])
@pytest.mark.parametrize(("later_s", "taken"), [(3, [3, 3, 3]), (-60, [0.3, 0.6, 1.2]), (3600, [])])
def test_a_date_to_retry_after_is_told_by_the_server_s_clock(
    skew_h: int, later_s: int, taken: list[float], pauses: list[float]
) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(hours=skew_h)
    later = format_datetime(now + timedelta(seconds=later_s), usegmt=True)
    busy = answer(b"no", 503, "text/plain", Date=format_datetime(now, usegmt=True), Retry_After=later)
    with pytest.raises(Unreachable):
        ask(busy)
    assert pauses == taken


def test_a_rate_limit_in_json_is_waited_for_and_is_no_reason_for_smaller_pieces(pauses: list[float]) -> None:
    text = "the request has been rejected because the tenant exceeded the request rate limit (err-mimir-tenant-max-..."
    with pytest.raises(Refused) as caught:
        ask(answer(fault.error("too_many_requests", text), 429))
    assert caught.type is Refused
    assert len(pauses) == 3


# Label values


HOSTILE = [
    'a "quoted" one',
    "two\nlines\ttab",
    '[[0,"9"],[15,"9"]]',
    '],"values":[[0,"7"]]',
    "a,b,,c",
    "nul\0nul",
    "\N{PILE OF POO}\N{RIGHT-TO-LEFT OVERRIDE}é",
    "<script>alert(1)</script>",
    "$(reboot) `x` {a='b'} \\ \\n \\\\",
    "{" * 50,
    "x" * 1_000_000,
]


@pytest.mark.parametrize("spaced", [False, True])
def test_hostile_label_values_arrive_as_they_are(spaced: bool) -> None:
    series = [({"__name__": "m", "a": value}, [[0, str(i)], [15, "NaN"]]) for i, value in enumerate(HOSTILE)]
    body = fault.matrix(*series)
    body = json.dumps(json.loads(body), ensure_ascii=False, indent=1).encode() if spaced else body
    with FaultServer(answer(body)) as server:
        found = engine_at(server.url, timeout_s=5).query_range("m", WINDOW)
    got = dict(zip(found.labels["a"].tolist(), found.value[found.starts[:-1]].tolist(), strict=True))
    assert got == {value: i for i, value in enumerate(HOSTILE)}
    assert found.query.points_got == 2 * len(HOSTILE)


def test_labels_with_the_names_of_columns() -> None:
    labels = {"time": "t", "value": "v", "le": "+Inf", "sid": "s", "metric": "m", "values": "w"}
    with FaultServer(answer(fault.matrix((labels, [[0, "1"]])))) as server:
        found = engine_at(server.url).query_range("m", WINDOW)
    assert found.labels.loc[0].to_dict() == labels
    assert set(found.tidy().columns) == {
        "exported_time",
        "exported_value",
        "le",
        "metric",
        "sid",
        "time",
        "value",
        "values",
    }


def test_labels_called_metric_are_not_counted_as_series() -> None:
    series = [({"metric": f'"metric"{i}{{{{', "b": '{"metric":{'}, [0, "1"]) for i in range(10)]
    assert ask(answer(fault.vector(*series)), max_series=10) == [1] * 10
    with pytest.raises(TooMuch, match="more than 9 series"):
        ask(answer(fault.vector(*series)), max_series=9)


def test_series_whose_every_label_has_a_name_of_its_own_make_no_giant_table() -> None:
    series = [({f"name_{i}": "x"}, [0, "1"]) for i in range(1500)]
    with pytest.raises(TooMuch, match="more than 1,000,000 labels"):
        ask(answer(fault.vector(*series)), max_series=2000)
    labels = {f"name_{i}": "x" for i in range(1500)}
    assert ask(answer(fault.vector((labels, [0, "1"]))), max_series=1) == [1]


# Values


def test_every_float_arrives() -> None:
    values = ["NaN", "+Inf", "-Inf", "0", "-0", "1e-300", "1.7976931348623157e+308"]
    found = ask(answer(fault.vector(*(({"a": str(i)}, [0, v]) for i, v in enumerate(values)))))
    assert repr(found) == repr([float(v) for v in values])


def test_native_histograms_are_named() -> None:
    histogram = [15, {"count": "3", "sum": "1", "buckets": [[0, "0.5", "1", "3"]]}]
    result = [
        {"metric": {"a": "both"}, "values": [[0, "1"]], "histograms": [histogram]},
        {"metric": {"a": "only"}, "histograms": [histogram]},
    ]
    with FaultServer(answer(fault.data({"resultType": "matrix", "result": result}))) as server:
        found = engine_at(server.url, max_series=2).query_range("m", WINDOW)
    assert found.query.failed == ("the native histograms of {a='only'} were not read",)
    assert found.query.warnings == ("the native histograms of {a='both'} were not read",)
    assert found.value.tolist() == [1]


def test_a_partial_answer_is_not_complete() -> None:
    with FaultServer(answer(fault.vector(ONE, isPartial=True))) as server:
        found = engine_at(server.url).query("up")
    assert not found.query.complete
    assert "part of its storage" in found.query.failed[0]


def test_a_flood_of_warnings_is_named_and_not_read() -> None:
    with FaultServer(answer(fault.vector(ONE, warnings=["w" * 10] * 10_000, infos=["i"]))) as server:
        found = engine_at(server.url).query("up")
    assert found.query.warnings == ("130,001 bytes of warnings, too many to be read",)
    assert found.query.infos == ("i",)


# Clocks


@pytest.mark.parametrize("skew", [timedelta(hours=-7), timedelta(hours=7), timedelta(days=9000)])
def test_the_time_is_that_of_the_server(skew: timedelta) -> None:
    there = datetime(2026, 1, 31, 12, tzinfo=UTC) + skew
    body = fault.data({"resultType": "scalar", "result": [there.timestamp(), str(there.timestamp())]})
    with FaultServer(answer(body, Date=format_datetime(there, usegmt=True))) as server:
        assert engine_at(server.url).now() == there


@pytest.mark.parametrize("told", ["NaN", "+Inf", "1e300", "-1e300"])
def test_a_time_that_is_none_is_refused(told: str) -> None:
    script = answer(fault.data({"resultType": "scalar", "result": [0, told]}))
    with FaultServer(script) as server, pytest.raises(Refused, match="did not report its time"):
        engine_at(server.url).now()


# Restarts


def grid(form: object) -> bytes:
    assert isinstance(form, dict)
    start, end, step = (round(float(form[key]) * 1000) for key in ("start", "end", "step"))
    return fault.matrix(({"a": "x"}, [[t / 1000, str(t)] for t in range(start, end + 1, step)]))


LONG = Window(0, 35_000 * 15_000, 15_000)
"""Asked for in four pieces at least."""


def test_a_store_that_restarts_in_the_middle_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed inside the second piece, away, then up but not ready, then well again."""
    servers = []

    def die(exchange: fault.Exchange) -> None:
        exchange.head(Content_Length="100000")
        exchange.send(grid(exchange.form)[:1000])
        threading.Thread(target=servers[0].stop).start()
        exchange.pause(30)

    def come_back(_: float) -> None:
        if len(away) == 3:
            second = FaultServer(answer(b"starting", 503, "text/plain"), fault.by_form(grid), port=servers[0].port)
            servers.append(second.__enter__())
        away.append(_)

    away: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", staticmethod(come_back))
    servers.append(FaultServer(fault.by_form(grid), die).__enter__())
    try:
        found = engine_at(servers[0].url, timeout_s=2, parallel=1).query_range("m", LONG)
    finally:
        for server in servers:
            server.stop()
    assert found.value.tolist() == LONG.grid().astype(np.int64).tolist()
    assert found.query.complete
    assert len(away) == 5


def test_a_store_that_does_not_come_back_is_named(pauses: list[float]) -> None:
    server = FaultServer(answer(GOOD)).__enter__()
    engine = engine_at(server.url, timeout_s=FAIR)
    engine.query("up")
    server.stop()
    with pytest.raises(Unreachable, match=r"does not come back \(connection refused\); check that it runs"):
        engine.query("up")
    assert sum(pauses) <= 20


# Certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_a_certificate_that_is_in_order(authority: Authority) -> None:
    with FaultServer(answer(GOOD), tls=authority.context(authority.issue("good"))) as server:
        assert engine_at(server.url, ca_file=authority.file).query("up").value.tolist() == [2]


@pytest.mark.parametrize(
    ("settings", "trusted", "says"),
    [
        ({"days": (-9, -2)}, True, r"^the certificate of \S+ expired on 20\d\d-\d\d-\d\d \d\d:\d\d UTC; renew it"),
        ({"days": (2, 9)}, True, r"^the certificate of \S+ is not valid before 20\d\d-\d\d-\d\d \d\d:\d\d UTC; "),
        ({"ip": None}, True, r"^the certificate of \S+ does not hold the name '127.0.0.1'; use a name"),
        ({}, False, r"^the certificate of \S+ is not trusted \(.+\); give the .* as ca_file in the profile"),
        ({"own": True}, True, r"^the certificate of \S+ is not trusted \(self.signed certificate\); "),
    ],
)
def test_a_certificate_that_is_not_in_order(
    authority: Authority, settings: dict[str, object], trusted: bool, says: str, pauses: list[float]
) -> None:
    pair = authority.issue(f"bad-{len(settings)}-{next(iter(settings), trusted)}", **settings)  # type: ignore[arg-type]
    with FaultServer(answer(GOOD), tls=authority.context(pair)) as server:
        engine = engine_at(server.url, timeout_s=FAIR, ca_file=authority.file if trusted else None)
        with pytest.raises(Unreachable, match=says) as caught:
            engine.query("up")
        assert server.connections <= 2, "one try, and one look at the date"
        assert server.asked == []
    assert pauses == []
    assert one_sentence(caught.value)


def test_a_client_certificate(authority: Authority) -> None:
    mine, other = authority.issue("mine"), authority.issue("other", own=True)
    with FaultServer(answer(GOOD), tls=authority.context(authority.issue("server"), client=True)) as server:
        shown = engine_at(server.url, ca_file=authority.file, client_cert=mine)
        assert shown.query("up").value.tolist() == [2]
        both = authority.folder / "both.pem"
        both.write_bytes(b"".join(path.read_bytes() for path in mine))
        assert engine_at(server.url, ca_file=authority.file, client_cert=both).query("up").value.tolist() == [2]
        with pytest.raises(Refused, match=r"requires a client certificate.*give client_cert and client_key in"):
            engine_at(server.url, timeout_s=FAIR, ca_file=authority.file).query("up")
        with pytest.raises(Refused, match="rejects the client certificate"):
            engine_at(server.url, timeout_s=FAIR, ca_file=authority.file, client_cert=other).query("up")


def test_files_of_certificates_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    mine, other = authority.issue("mine"), authority.issue("other")
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    locked = tmp_path / "locked.key"
    key = fault.ec.generate_private_key(fault.ec.SECP256R1())
    how = fault.serialization
    locked.write_bytes(
        key.private_bytes(how.Encoding.PEM, how.PrivateFormat.PKCS8, how.BestAvailableEncryption(b"phrase"))
    )
    for path in (tmp_path / "missing.pem", junk):
        with pytest.raises(ConfigError, match=rf"the CA file \S+{path.name} cannot be used \(.+\); give"):
            engine_at("https://127.0.0.1:1", ca_file=path)
        with pytest.raises(ConfigError, match=rf"client certificate \S+{path.name} cannot be used"):
            engine_at("https://127.0.0.1:1", client_cert=path)
    for secret in (other[1], locked, tmp_path / "missing.key"):
        with pytest.raises(ConfigError, match=rf"with the key \S+{secret.name} cannot be used \(.+\); give PEM files"):
            engine_at("https://127.0.0.1:1", client_cert=(mine[0], secret))


def test_tls_where_there_is_none_and_none_where_there_is(authority: Authority) -> None:
    with FaultServer(answer(GOOD)) as server, pytest.raises(Unreachable, match=r"does not speak TLS; try http://"):
        engine_at(server.url.replace("http:", "https:"), timeout_s=FAIR).query("up")
    tls = authority.context(authority.issue("good"))
    with FaultServer(answer(GOOD), tls=tls) as server, pytest.raises(Unreachable, match="broke off 4 times"):
        engine_at(server.url.replace("https:", "http:"), timeout_s=FAIR).query("up")


def test_a_redirect_never_takes_tls_away(authority: Authority) -> None:
    with FaultServer(answer(GOOD)) as bare:
        tls = authority.context(authority.issue("good"))
        script = fault.redirect(f"{bare.url}{{path}}")
        with FaultServer(script, tls=tls) as server, pytest.raises(Refused, match=r"another host \(http://127"):
            engine_at(server.url, ca_file=authority.file).query("up")
        assert bare.asked == []


# Secrets


SECRET = 's3cr3t<"va|ue">&more'


@pytest.mark.parametrize(
    "how",
    [
        {"auth": ("me", SECRET)},
        {"auth": transport.requests.auth.HTTPDigestAuth("me", SECRET)},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": {"X-Api-Key": SECRET}},
    ],
)
def test_a_secret_that_is_sent_back_is_not_shown(how: dict[str, object]) -> None:
    """In a body, in an error, in a kind of content, in an address; whole, cut, or quoted."""
    text = json.dumps(SECRET)
    scripts: list[Fault] = [
        answer(SECRET.encode(), 401, "text/plain"),
        answer(SECRET.encode(), 500, f"text/{SECRET}"),
        *(answer(b" " * n + text.encode()) for n in range(0, 80, 7)),
        *(answer(fault.error("internal", "x" * n + SECRET + "y" * 500), 500) for n in range(230, 260, 3)),
        *(answer(fault.error("internal", "x" * 500 + SECRET + "y" * n), 500) for n in range(330, 350, 3)),
        answer(fault.error(SECRET, fault.json.dumps(repr(SECRET))), 400),
        answer(fault.error("bad_data", "s3cr3t%3C%22va%7Cue%22%3E%26more s3cr3t&lt;&quot;va|ue&quot;&gt;&amp;more")),
        fault.redirect("http://s3cr3t.invalid/"),
        answer(fault.data({"resultType": SECRET, "result": []})),
    ]
    with FaultServer(*scripts) as server:
        engine = engine_at(server.url, timeout_s=FAIR, **how)  # type: ignore[arg-type]
        for _ in scripts:
            with pytest.raises(EngineError) as caught:
                engine.query("up")
            shown = f"{caught.value} {caught.value.what} {caught.value.hint}"
            assert not {SECRET[i : i + 8] for i in range(len(SECRET) - 7)} & {
                shown[i : i + 8] for i in range(len(shown))
            }, shown


def test_a_secret_in_a_warning_or_a_version_is_not_shown() -> None:
    body = fault.vector(ONE, warnings=[f"got {SECRET}!"], infos=[SECRET])
    build = fault.data({"version": SECRET})
    with FaultServer(answer(body), build=build) as server:
        engine = engine_at(server.url, auth=("me", SECRET))
        query = engine.query("up").query
    assert (query.warnings, query.infos) == (("got ***!",), ("***",))
    assert "s3cr3t" not in f"{engine.description} {query.engine}"


@pytest.mark.parametrize("body", [fault.endless(), fault.drip(), fault.hang])
def test_the_first_answer_of_digest_authentication_ends(body: Fault) -> None:
    """It is read before the second question is put: requests does so without any bound."""

    def refuse(exchange: fault.Exchange) -> None:
        exchange.send(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n')
        body(exchange)

    with pytest.raises((Unreachable, Refused)):
        ask(refuse, timeout_s=QUICK, auth=transport.requests.auth.HTTPDigestAuth("me", SECRET))


# Threads


def test_eight_threads_share_one_transport() -> None:
    """Each question meets a fault of its own first."""
    faults = [fault.reset, answer(b"", 503, None), fault.chunked([GOOD[:9]], end=False), fault.redirect("/there{path}")]
    seen: set[str] = set()

    def reply(exchange: fault.Exchange) -> None:
        query = exchange.form["query"]
        if query not in seen:
            seen.add(query)
            return faults[int(query[1:]) % len(faults)](exchange)
        return answer(fault.vector(*(({"q": query, "i": str(i)}, [0, str(i)]) for i in range(500))))(exchange)

    with FaultServer(reply) as server:
        engine = engine_at(server.url, timeout_s=10)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(engine.query, [f"q{n}" for n in range(40)]))
        for n, each in enumerate(found):
            assert set(each.labels["q"]) == {f"q{n}"}
            assert sorted(each.value) == list(range(500))


# Streams


@pytest.fixture
def line() -> bytes:
    return b'{"metric":{"a":"x"},"values":[1],"timestamps":[1000]}\n'


def open_stream(server: FaultServer, timeout_s: float = FAIR) -> Iterator[bytes]:
    limits = Limits(timeout_s=timeout_s, bytes=1000)
    return Transport(connection(server.url, compression=True, limits=limits)).stream("/api/v1/export", {"match[]": "m"})


def test_a_stream_may_be_longer_than_any_answer(line: bytes) -> None:
    body = line * 100_000
    for script in (
        answer(body, kind="application/stream+json"),
        fault.chunked([body[i : i + 7777] for i in range(0, len(body), 7777)], kind="application/stream+json"),
        fault.packed(body, kind="application/stream+json"),
    ):
        with FaultServer(script) as server:
            pieces = list(open_stream(server))
        assert b"".join(pieces) == body
        assert len(pieces) <= 6
        assert max(map(len, pieces)) < 3 << 20
    with FaultServer(answer(b"", kind="application/stream+json")) as server:
        assert list(open_stream(server)) == []


def test_a_stream_is_asked_for_again_until_it_begins(line: bytes, pauses: list[float]) -> None:
    script = [fault.reset, answer(b"", 503, None), fault.chunked([], end=False), answer(line)]
    with FaultServer(*script) as server:
        assert list(open_stream(server)) == [line]
    assert pauses == [0.3, 0.6, 1.2]


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        (fault.reset_after(b"x" * (3 << 20), length=9 << 20), Unreachable, "broke off after [1-3],[0-9,]+ bytes"),
        (fault.chunked([b"x" * 3_000_000], end=False), Unreachable, "broke off after [1-3],[0-9,]+ bytes"),
        (fault.drip(start=b"x" * 3_000_000), Unreachable, r"did not end within 2\.5 s"),
        (answer(fault.error("422", "cannot parse"), 422), BadQuery, "cannot parse"),
        (answer(fault.error("422", "cannot select more than -search.maxSamplesPerQuery=1"), 422), TooMuch, "maxSam"),
        (answer(b"{}", 500), Refused, "did not answer as"),
        (answer(GOOD, 500), Refused, "answered 500"),
        (answer(b"<html>", 200, "text/html"), Refused, "text/html"),
        (fault.endless(status=500), Refused, "longer than|did not answer"),
        (fault.hang, Unreachable, "did not answer within"),
    ],
)
def test_a_stream_that_fails_says_so(script: Fault, error: type[EngineError], says: str) -> None:
    with FaultServer(script) as server, pytest.raises(error, match=says) as caught:
        for _ in open_stream(server, timeout_s=QUICK):
            pass
    assert one_sentence(caught.value)


def test_the_time_between_two_pieces_is_the_caller_s() -> None:
    """A reader who is slow is not taken for a server that is."""
    block = b"x" * (1 << 20)
    with FaultServer(fault.streamed(lambda: [block] * 3)) as server:
        total = 0
        for piece in open_stream(server, timeout_s=0.1):
            threading.Event().wait(0.6)
            total += len(piece)
    assert total == 3 << 20
