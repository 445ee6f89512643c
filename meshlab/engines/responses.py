"""What a server's answer, or the lack of one, means: a body in bounds, or one of meshlab's errors."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Final

from requests import Response
from urllib3 import exceptions as wire

from meshlab.core.sanitize import plain
from meshlab.engines.certificates import tls_failure
from meshlab.engines.deadline import deadline
from meshlab.engines.decompression import TruncatedBody, UnknownEncoding, decompressed
from meshlab.engines.retry import BUSY, is_json
from meshlab.errors import EngineError, Refused, TooMuch, Unreachable

__all__ = ["ERROR_BYTES", "READS", "ConnectionBroken", "Responses", "ServerRestarting"]

READS: Final = 10
"""A whole answer, or a piece of a stream, may take so many times the time-out."""
ERROR_BYTES: Final = 1 << 20
"""Longest body of an error that is read."""
_PIECE: Final = 1 << 20
_WORDS: Final = 500
_NO_TENANT: Final = re.compile(r"no org[ -]?id|X-Scope-OrgID", re.IGNORECASE)
"""What Mimir, Cortex and Loki say to a request without a tenant."""
_LESS: Final = "ask for a shorter window, a longer step, or fewer series"


class ConnectionBroken(Exception):
    """The connection broke: worth another try."""


class ServerRestarting(ConnectionBroken):
    """A server that answered before takes no connection."""


@dataclass(frozen=True)
class Responses:
    """Reads the answers of one server.

    Parameters
    ----------
    url : str
        Base address, for messages.
    timeout_s : float
    has_certificate : bool
        Whether a client certificate is shown.
    """

    url: str
    timeout_s: float
    has_certificate: bool

    @property
    def hint(self) -> str:
        """What to try where nothing answers."""
        return f"check that it runs and can be reached from here: curl {self.url}/-/ready"

    def late(self) -> Unreachable:
        """Nothing came in time."""
        return Unreachable(
            f"{self.url} did not answer within {self.timeout_s:g} s",
            f"ask for less at once, give it more time, or {self.hint}",
        )

    def unsent(self, error: Exception, *, answered: bool) -> EngineError | ConnectionBroken:
        """Why no head of an answer came.

        Parameters
        ----------
        error : Exception
            As requests or urllib3 raised it.
        answered : bool
            Whether the server has answered before.
        """
        cause = error.args[0] if error.args else error
        cause = ValueError(cause) if isinstance(cause, str) else cause
        reason = getattr(cause, "reason", cause)
        chain = [each for each in (*getattr(cause, "args", ()), *getattr(reason, "args", ()), reason, cause) if each]
        for kinds, meaning in _MEANINGS:
            for each in chain:
                if isinstance(each, kinds):
                    return meaning(self, each)
        if answered and isinstance(reason, wire.NewConnectionError):
            return ServerRestarting(_in_words(reason))
        return Unreachable(f"nothing answers at {self.url} ({_in_words(reason)})", self.hint)

    def closed(self, _: BaseException) -> ConnectionBroken:
        """The server hung up."""
        return ConnectionBroken("the connection was closed")

    def not_http(self, _: BaseException) -> ConnectionBroken:
        """What is left of an earlier answer reads like this too: a new connection may be better."""
        return ConnectionBroken("it does not speak HTTP")

    def malformed(self, cause: BaseException) -> Refused:
        """The head of the answer cannot be read."""
        return Refused(
            f"{self.url} sent malformed HTTP headers ({type(cause).__name__})",
            "check that it is the address of a Prometheus-compatible API",
        )

    def insecure(self, cause: BaseException) -> EngineError:
        """There is no TLS connection."""
        assert isinstance(cause, ssl.SSLError)
        return tls_failure(cause, self.url, self.timeout_s, own=self.has_certificate)

    def check(self, response: Response, tries: int) -> None:
        """Raise unless there is a body of JSON to be read, whatever its status."""
        status = response.status_code
        refused = status in (401, 403) or (status == 400 and not is_json(response))
        if refused and _NO_TENANT.search(self._words(response)):
            raise Refused(
                f"{self.url} wants to know whose data it is asked for ({status}): the request names no tenant",
                'put tenant = "..." and kind = "mimir" into a profile of meshlab.toml',
            )
        if status in (401, 403):
            failed = "authentication failed" if status == 401 else "access denied"
            raise Refused(f"{failed} ({status}) at {self.url}", "put credentials into a profile of meshlab.toml")
        if status in (413, 414):
            raise TooMuch(f"request too large ({status}) for {self.url}", f"shorten the query, or {_LESS}")
        if is_json(response):
            return
        if status == 429:
            raise Refused(f"too many requests ({status}, {tries} tries) at {self.url}", "try again later")
        if status in BUSY:
            raise Unreachable(
                f"{self.url} answered {status} {tries} times",
                "it is starting or overloaded, or a proxy in front of it has no backend: try again in a minute",
            )
        kind = plain(response.headers.get("Content-Type", "").split(";")[0].strip())[:60] or "no content type"
        raise Refused(
            f"{self.url} answered {status} with {kind}, not with Prometheus's API",
            "check the address: it may be that of a Grafana or a proxy, or lack a path such as /prometheus",
        )

    def _words(self, response: Response) -> str:
        """The first words of a refusal; nothing where they cannot be read."""
        try:
            return self.read(response, ERROR_BYTES)[:_WORDS].decode("utf-8", "replace")
        except (EngineError, ConnectionBroken):
            return ""

    def read(self, response: Response, most: int) -> bytes:
        """The whole body.

        Raises
        ------
        TooMuch
            It is longer than `most`.
        Unreachable, Refused, ConnectionBroken
            It does not end in time, has an unknown encoding, or breaks off.
        """
        packed = response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")
        length = response.headers.get("Content-Length", "")
        if not packed and length.isdecimal() and len(length) < 20 and int(length) > most:
            raise self._too_long(most)
        found, size = [], 0
        with self._reading():
            for piece in self.pieces(response):
                found.append(piece)
                size += len(piece)
                if size > most:
                    raise self._too_long(most)
        return b"".join(found)

    def next_piece(self, pieces: Iterator[bytes]) -> bytes:
        """The next pieces of a stream as one of about 1 MiB; nothing at its end. Raises as `read`."""
        found, size = [], 0
        with self._reading():
            for piece in pieces:
                found.append(piece)
                size += len(piece)
                if size >= _PIECE:
                    break
        return b"".join(found)

    def pieces(self, response: Response) -> Iterator[bytes]:
        """A body as it arrives, unpacked here, where a piece's length is bounded and its end is checked."""
        raw = response.raw
        encoding = response.headers.get("Content-Encoding", "")
        # read1 gives what has arrived.
        return decompressed(lambda: raw.read1(_PIECE, decode_content=False), encoding, _PIECE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Bound the time of reading, and name what can go wrong in it."""
        seconds = READS * self.timeout_s
        end = time.monotonic() + seconds
        try:
            with deadline(seconds):
                yield
        except (wire.ReadTimeoutError, TimeoutError):
            if time.monotonic() < end:
                raise self.late() from None
            raise Unreachable(
                f"the answer of {self.url} did not end within {seconds:g} s",
                "ask for less at once, or give it more time",
            ) from None
        except UnknownEncoding as error:
            raise Refused(
                f"{self.url} answered with an unexpected Content-Encoding {plain(error)[:40]!r}",
                "check for a proxy in between that adds it",
            ) from None
        except (wire.HTTPError, TruncatedBody, HTTPException, OSError, ValueError) as error:
            raise ConnectionBroken(type(error).__name__) from None

    def _too_long(self, most: int) -> TooMuch:
        return TooMuch(
            f"the answer of {self.url} is longer than {most:,} bytes",
            f"{_LESS}, or raise bytes in the limits of the profile",
        )


_Meaning = Callable[[Responses, BaseException], EngineError | ConnectionBroken]
_MEANINGS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], _Meaning], ...]] = (
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), Responses.closed),
    (ssl.SSLError, Responses.insecure),
    ((RemoteDisconnected, IncompleteRead), Responses.closed),
    (BadStatusLine, Responses.not_http),
    ((HTTPException, wire.InvalidHeader, ValueError), Responses.malformed),
    (wire.ProtocolError, Responses.closed),
)
"""Causes in a failed request, and what they mean; the first row that fits counts."""


def _in_words(reason: object) -> str:
    if isinstance(reason, wire.NameResolutionError):
        return "unknown host"
    if isinstance(reason, wire.NewConnectionError):
        return "connection refused" if "refused" in str(reason) else "no connection"
    return type(reason).__name__
