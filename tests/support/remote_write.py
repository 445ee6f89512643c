"""A real Prometheus that is written to remotely: the one way in that keeps a stale marker's bits."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import requests
from real_server import free_port, running

_LITERAL_OF_TWO_BYTES = bytes([61 << 2])
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, inner: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(inner)) + inner


def write_request(series: Iterable[tuple[Mapping[str, str], np.ndarray, np.ndarray]]) -> bytes:
    """A ``WriteRequest`` (prompb/remote.proto) in snappy's block format, as literals: correct, not small."""
    plain = b""
    for labels, at, values in series:
        body = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels.items()))
        for t, bits in zip(at, np.asarray(values, np.float64).view(np.uint64), strict=True):
            body += _field(2, b"\x09" + struct.pack("<Q", int(bits)) + b"\x10" + _varint(round(float(t) * 1000)))
        plain += _field(1, body)
    out = _varint(len(plain))
    for begin in range(0, len(plain), 1 << 16):
        part = plain[begin : begin + (1 << 16)]
        out += _LITERAL_OF_TWO_BYTES + struct.pack("<H", len(part) - 1) + part
    return out


@contextmanager
def written_to(
    folder: Path, body: bytes, *, more: Iterable[bytes] = (), prometheus: str = "prometheus"
) -> Iterator[str]:
    """Serve a fresh store that holds write requests' samples; yields the URL, ends the server by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.yml").write_text("global: {}\n")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        prometheus,
        f"--config.file={folder / 'empty.yml'}",
        f"--storage.tsdb.path={folder / 'store'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    with running(command, f"{url}/-/ready", folder / "log.txt"):
        for each in chain([body], more):
            requests.post(f"{url}/api/v1/write", data=each, headers=_HEADERS, timeout=60).raise_for_status()
        yield url
