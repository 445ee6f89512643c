"""A real Prometheus that is written to remotely: the one way in that keeps a stale marker's bits."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
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
    """A ``WriteRequest`` (prompb/remote.proto) of floats."""
    plain = b""
    for labels, at, values in series:
        body = _labels(labels)
        for t, bits in zip(at, np.asarray(values, np.float64).view(np.uint64), strict=True):
            body += _field(2, b"\x09" + struct.pack("<Q", int(bits)) + b"\x10" + _varint(round(float(t) * 1000)))
        plain += _field(1, body)
    return _snappy(plain)


def histogram_request(labels: Mapping[str, str], at: np.ndarray, counts: np.ndarray) -> bytes:
    """A ``WriteRequest`` of a native histogram with two buckets, up to 1 and up to 2, that count alike."""
    body = _labels(labels)
    for t, count in zip(at, counts.tolist(), strict=True):
        total = b"\x08" + _varint(2 * count) + b"\x19" + struct.pack("<d", 2.5 * count)
        # Schema 0, one span of two buckets from index 0 on, the second as the first.
        buckets = b"\x20\x00" + _field(11, b"\x08\x00\x10\x02") + _field(12, _varint(2 * count) + _varint(0))
        body += _field(4, total + buckets + b"\x78" + _varint(round(float(t) * 1000)))
    return _snappy(_field(1, body))


def _labels(labels: Mapping[str, str]) -> bytes:
    return b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels.items()))


def _snappy(plain: bytes) -> bytes:
    """Snappy's block format, as literals: correct, not small."""
    out = _varint(len(plain))
    for begin in range(0, len(plain), 1 << 16):
        part = plain[begin : begin + (1 << 16)]
        out += _LITERAL_OF_TWO_BYTES + struct.pack("<H", len(part) - 1) + part
    return out


@contextmanager
def written_to(folder: Path, *bodies: bytes, prometheus: str = "prometheus") -> Iterator[str]:
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
        # What Prometheus 2 called holt_winters is experimental in Prometheus 3.
        "--enable-feature=promql-experimental-functions,native-histograms",
    ]
    with running(command, f"{url}/-/ready", folder / "log.txt"):
        for body in bodies:
            requests.post(f"{url}/api/v1/write", data=body, headers=_HEADERS, timeout=60).raise_for_status()
        yield url
