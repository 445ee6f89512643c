"""Connections on which every answer ends in time, however slowly its bytes drip.

A socket's time-out starts anew with each byte: a server that sends one byte a second never meets it. Here each wait for
bytes is no longer than what is left until a deadline as well, in the head of an answer, in its body and in the frames
of a chunked one.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from socket import socket
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["DeadlineAdapter", "deadline"]


@dataclass
class _Allowance:
    until: float
    bytes_left: float


_ALLOWED: Final[ContextVar[_Allowance | None]] = ContextVar("_ALLOWED", default=None)
_BUFFER: Final = 1 << 16
_LONGEST_HEAD: Final = 1 << 20


@contextmanager
def deadline(seconds: float, size: float = math.inf) -> Iterator[None]:
    """Give what is read inside so many seconds and bytes in all.

    Beyond them, a read raises `TimeoutError` or `OSError`. It holds for the present thread (its context) and the
    connections of a `DeadlineAdapter`.
    """
    token = _ALLOWED.set(_Allowance(time.monotonic() + seconds, size))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


class _Paced(io.RawIOBase):
    """A socket's bytes, until the deadline."""

    def __init__(self, source: io.BufferedReader, connection: socket) -> None:
        self._source, self._connection = source, connection
        self.patience_s = connection.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        allowed = _ALLOWED.get() or _Allowance(math.inf, math.inf)
        left = allowed.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if allowed.bytes_left <= 0:
            raise OSError("too long")
        wait = min(left, self.patience_s)
        self._connection.settimeout(None if wait == math.inf else wait)
        size = self._source.raw.readinto(buffer)
        allowed.bytes_left -= size or 0
        return size

    def close(self) -> None:
        self._source.close()
        super().close()


class _Response(HTTPResponse):
    """An answer that is read at a pace; its head must be whole within the socket's time-out."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._paced = _Paced(self.fp, sock)
        self.fp = io.BufferedReader(self._paced, _BUFFER)

    def begin(self) -> None:
        with deadline(self._paced.patience_s, _LONGEST_HEAD):
            super().begin()


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter on connections that know `deadline`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As in requests, with these connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
