"""A receiver of notices gets one POST, and nothing more: bounded, not sent on, and no cloud's metadata service."""

from __future__ import annotations

import json
import time

import fault_server as fault
import pytest
from fault_server import FaultServer

from meshlab.errors import ReportError
from meshlab.reports.schedules import posting
from meshlab.reports.schedules.posting import post

SECRET = "hook-5Ub3Oa9jSl2W"
METADATA = (
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.170.2/v2/credentials",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/latest",
    "http://[fe80::a9fe:a9fe]/",
    "http://100.100.100.200/latest",
    "https://169.254.169.254:8443/",
)


@pytest.mark.parametrize("address", METADATA)
def test_no_metadata_service_is_a_receiver(address: str) -> None:
    with pytest.raises(ReportError, match=r"notify\.x is at the address of a cloud's metadata service"):
        post("notify.x", address, {})


def test_nor_is_one_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("10.0.0.1", 0)), (2, 1, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(posting.socket, "getaddrinfo", lambda *_: found)
    with pytest.raises(ReportError, match="metadata service"):
        post("notify.x", "https://metadata.google.internal/x", {})


def test_a_receiver_on_one_s_own_network_is_normal() -> None:
    with FaultServer(fault.answer(b"ok"), build=None) as server:
        post("notify.x", f"{server.url}/{SECRET}", {"a": 1})
    (asked,) = server.asked
    assert json.loads(asked.body) == {"a": 1}


@pytest.mark.parametrize(
    "script",
    [
        fault.hang,
        fault.reset,
        fault.shut,
        fault.endless_head(),
        fault.drip(start=b""),
        fault.endless(),
        fault.gzip_bomb(1 << 20),
    ],
    ids=["hangs", "resets", "shuts", "a head without end", "drips", "a body without end", "a bomb"],
)
def test_an_answer_is_bounded_and_unread(script, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(posting, "_TIMEOUT_S", 1)
    begun = time.monotonic()
    said = ""
    with FaultServer(script, build=None) as server:
        try:
            post("notify.x", f"{server.url}/{SECRET}", {})
        except ReportError as error:
            said = str(error)
    assert SECRET not in said
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_refusal(status: int) -> None:
    with FaultServer(fault.answer(b"ok"), build=None) as other:
        away = fault.redirect(f"{other.url}/stolen", status)
        with FaultServer(away, build=None) as server, pytest.raises(ReportError, match=f"answered {status}"):
            post("notify.x", server.url, {"secret": SECRET})
        assert not other.asked
