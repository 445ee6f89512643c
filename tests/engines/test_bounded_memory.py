"""Answers larger than memory should hold: refused, in bounded memory, measured in a process of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import fault_server as fault
import pytest
from fault_server import Fault, FaultServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is read from /proc")

MB = 1_000_000
PROGRAM = """
import sys
from pathlib import Path
from meshlab.config import Limits, Profile
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine
from meshlab.engines.transport import Transport
from meshlab.errors import EngineError
from meshlab.core.window import Window

def peak():
    # Not getrusage: its maximum is inherited from the process that started this one.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

url, how, limits = sys.argv[1], sys.argv[2], eval(sys.argv[3])
engine = PrometheusEngine(Connection(Profile(url=url, limits=Limits(timeout_s=20, **limits))))
window = Window(0, 60_000, 15_000)
engine.query("vector(1)").tidy()
before, said = peak(), "answered"
try:
    if how == "range":
        engine.query_range("m", window)
    elif how == "series":
        engine.series("m", window)
    else:
        connection = Connection(Profile(url=url, limits=Limits(timeout_s=20), compression=True))
        said = sum(map(len, Transport(connection).stream("/api/v1/export", {})))
except EngineError as error:
    said = f"{type(error).__name__}: {error}"
print(peak() - before, said)
"""


def measured(script: Fault, how: str, **limits: int) -> tuple[float, str]:
    """Bytes that one question adds to a fresh process at its peak, and how it ended."""
    with FaultServer(fault.answer(fault.GOOD), script) as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url, how, repr(limits)], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    added, _, said = done.stdout.strip().partition(" ")
    return int(added), said


def listed(count: int) -> Iterator[bytes]:
    yield b'{"status":"success","data":[{"a":"0"}'
    for first in range(0, count, 1000):
        yield b"".join(b',{"a":"%d"}' % i for i in range(first + 1, first + 1001))
    yield b"]}"


def within(start: bytes, block: bytes, times: int, end: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(times):
        yield block
    yield end


def names(count: int) -> Iterator[bytes]:
    yield b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"'
    for first in range(0, count, 1000):
        yield b"".join(b',"n%d":"v"' % i for i in range(first, first + 1000))
    yield b'},"value":[0,"1"]}]}}'


VECTOR = b'{"status":"success","data":{"resultType":"vector","result":['
HALF = 1 << 29
WIDE = {"bytes": 2 << 30}
"""Four pieces at a time may have a quarter each."""


@pytest.mark.parametrize(
    ("script", "how", "limits", "most", "says"),
    [
        (
            fault.streamed(lambda: fault.long_matrix(2 << 30)),
            "range",
            {},
            900 * MB,
            "longer than 134,217,728 by",
        ),
        (fault.endless(Content_Length=str(2 << 30)), "range", {}, 10 * MB, "TooMuch: .* longer than 134,217,728 bytes"),
        (fault.endless(), "range", {"bytes": 64 * MB}, 150 * MB, "TooMuch: .* longer than 16,000,000 bytes"),
        (fault.gzip_bomb(2 << 30), "range", {"bytes": 64 * MB}, 150 * MB, "TooMuch: .* longer than 16,000,000"),
        # 70 MB of text
        (
            fault.streamed(lambda: fault.many_series(1_000_000)),
            "range",
            {},
            250 * MB,
            "TooManySeries: .* 200,000 series",
        ),
        (fault.streamed(lambda: listed(1_000_000)), "series", {}, 100 * MB, "TooManySeries: .* 200,000 series"),
        (
            fault.streamed(lambda: within(VECTOR + b"{}", b",{}" * 10_000, 3_000, b"]}}")),
            "range",
            {},
            250 * MB,
            "Refused: .* cannot be read",
        ),
        # 200 MB of labels of one series, of warnings, of an error, of opening brackets
        (fault.streamed(lambda: names(12_000_000)), "range", WIDE, 600 * MB, "TooManySeries: .* 10,000,000 labels"),
        (
            fault.streamed(
                lambda: within(VECTOR + b']},"warnings":["w"', b',"w"' * 100_000, 500, b"]}"),
            ),
            "range",
            WIDE,
            1000 * MB,
            "answered|did not answer",
        ),
        (
            fault.streamed(lambda: within(b'{"status":"error","error":"', b"too many " * 100_000, 220, b'"}')),
            "range",
            WIDE,
            1000 * MB,
            "Refused: .*too many",
        ),
        (
            fault.streamed(lambda: within(b"", b"[" * MB, 200, b"")),
            "range",
            WIDE,
            500 * MB,
            "Refused: .* did not answer",
        ),
        # A stream of any length
        (fault.streamed(lambda: fault.long_matrix(1 << 30)), "stream", {}, 20 * MB, "^10[0-9]{8}$"),
        (fault.gzip_bomb(1 << 30), "stream", {}, 20 * MB, "^1073741824$"),
    ],
)
def test_memory_is_bounded(script: Fault, how: str, limits: dict[str, int], most: float, says: str) -> None:
    added, said = measured(script, how, **limits)
    assert re.search(says, said), said
    assert added < most, f"{added / MB:.0f} MB; {said}"
