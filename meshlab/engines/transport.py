"""One question to a Prometheus-compatible API: sent, retried, followed about its host, and its answer read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec
import requests
from urllib3 import exceptions as wire

from meshlab.core.sanitize import plain
from meshlab.engines.certificates import tls_alert, tls_failure
from meshlab.engines.client import Client, Form
from meshlab.engines.connection import Connection
from meshlab.engines.deadline import deadline
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.engines.redaction import Redactor
from meshlab.engines.responses import ERROR_BYTES, READS, ConnectionBroken, Responses, ServerRestarting
from meshlab.engines.retry import Retries, is_busy, pause_asked_for
from meshlab.errors import EngineError, Refused, Unreachable

__all__ = ["Form", "Transport"]

T = TypeVar("T")


class _Status(msgspec.Struct):
    status: str = ""


class Transport:
    """Sends questions to a server; several threads may use one.

    A server has ``timeout_s`` of the limits to connect, for the head of an answer, and between two pieces of its body;
    ten times that for the whole. No message holds a secret of the connection.

    Parameters
    ----------
    connection : Connection

    Raises
    ------
    ConfigError
        A header cannot be sent, or a file of certificates cannot be used.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = Client(connection)
        self.url: str = self._client.url
        limits = connection.profile.limits
        self._timeout_s, self._max_bytes = limits.timeout_s, limits.bytes
        self._cert = self._client.cert
        self._responses = Responses(self.url, self._timeout_s, self._cert is not None)
        self._redactor = Redactor(connection.auth, connection.sent_headers)
        self.hide = self._redactor.text
        self.redacted = self._redactor.error
        self._answered = False
        self.reached = False
        """Whether anything has answered at all, if only a proxy."""

    def ask(
        self,
        path: str,
        form: Form,
        *,
        method: str = "POST",
        patient: bool = True,
        when_busy: bool = True,
        max_bytes: int | None = None,
    ) -> bytes:
        """Send a form to a path of the API and read the answer's body.

        Parameters
        ----------
        path : str
        form : mapping
        method : str
            ``POST``, or ``GET`` with the form in the address.
        patient : bool
            Whether to ask again at all.
        when_busy : bool
            Whether to ask a busy server again.
        max_bytes : int, optional
            Longest answer that is read now, where it is less than usual.

        Returns
        -------
        bytes
            The body of an answer whose content is JSON, whatever its status.

        Raises
        ------
        Unreachable
            Nobody answered, or not in time, or only a proxy.
        TooMuch
            The answer, or the request, is too long.
        Refused
            The answer is not JSON, or leads to another host.
        """
        try:
            take = partial(self._whole, most=max_bytes or self._max_bytes)
            return self._persist(path, form, method, patient, take, when_busy=when_busy)
        except EngineError as error:
            raise self.redacted(error) from None

    def stream(self, path: str, form: Form, *, method: str = "POST") -> Iterator[bytes]:
        """Send a form to a path of the API and give the answer's body as it arrives.

        Retried like `ask` until the first piece is there. The whole may be of any length; each piece must arrive within
        ten times the time-out, the caller's own time between two pieces not counted.

        Yields
        ------
        bytes
            About 1 MiB, the last less; cut anywhere, so that a line may be in two pieces.

        Raises
        ------
        Unreachable
            As in `ask`, or the answer broke off after some pieces: what came is not whole.
        Refused, BadQuery, TooMuch
            As in `ask`, or the status is not 200 and the body says why.
        """
        try:
            response, pieces, piece = self._persist(path, form, method, True, self._first_piece)
            size = 0
            with response:
                while piece:
                    yield piece
                    size += len(piece)
                    try:
                        piece = self._responses.next_piece(pieces)
                    except ConnectionBroken as broken:
                        raise Unreachable(
                            f"the answer of {self.url} broke off after {size:,} bytes ({broken})",
                            "ask again, or for less at once",
                        ) from None
        except EngineError as error:
            raise self.redacted(error) from None

    def exchange(self, path: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int) -> bytes | None:
        """Post bytes to a path that a server may not have, and read what is answered; asked once.

        Parameters
        ----------
        path : str
        body : bytes
        headers : mapping
            ``Content-Type`` is that of the answer, too.
        max_bytes : int

        Returns
        -------
        bytes or None
            None where the server does not answer with that type: it has no such path.

        Raises
        ------
        Unreachable
            Nobody answered, or not in time, or the answer broke off.
        TooMuch
            The answer is too long.
        """
        try:
            with self._send("POST", f"{self.url}{path}", body, headers) as response:
                kind = response.headers.get("Content-Type", "").split(";")[0].strip()
                if response.status_code != 200 or kind != headers["Content-Type"]:
                    return None
                # The answer's own packing is a part of its format.
                response.headers.pop("Content-Encoding", None)
                return self._responses.read(response, max_bytes)
        except ConnectionBroken as broken:
            raise Unreachable(f"the answer of {self.url} broke off ({broken})", self._responses.hint) from None
        except EngineError as error:
            raise self.redacted(error) from None

    def _persist(
        self,
        path: str,
        form: Form,
        method: str,
        patient: bool,
        take: Callable[[requests.Response], T],
        *,
        when_busy: bool = True,
    ) -> T:
        """Ask until an answer is there to be taken, or patience ends."""
        retries = Retries(patient)
        while True:
            retries.tries += 1
            pause = retries.pause
            try:
                response = self._arrive(path, form, method)
                self.reached = True
                try:
                    pause = pause if when_busy else None
                    if pause is not None and is_busy(response):
                        pause = pause_asked_for(response, pause)
                    if pause is None or not is_busy(response):
                        self._responses.check(response, retries.tries)
                        taken = take(response)
                        self._answered = True
                        return taken
                except BaseException:
                    response.close()
                    raise
                response.close()
            except ServerRestarting as broken:
                retries.server_restarts()
                pause = retries.pause
                if pause is None:
                    raise Unreachable(f"{self.url} does not come back ({broken})", self._responses.hint) from None
            except ConnectionBroken as broken:
                if retries.tries == 1 and not self._answered:
                    alert = tls_alert(self.url, self._timeout_s, self._cert)
                    if alert:
                        raise tls_failure(alert, self.url, self._timeout_s, own=self._cert is not None) from None
                if pause is None:
                    what = f"the answer of {self.url} broke off {retries.tries} times ({broken})"
                    raise Unreachable(what, self._responses.hint) from None
            time.sleep(pause)

    def _whole(self, response: requests.Response, most: int) -> bytes:
        with response:
            body = self._responses.read(response, most)
        if response.status_code >= 400 and _status_in(body) == "success":
            raise Refused(
                f"{self.url} answered {response.status_code}, and data with it",
                "try again: data with an error may lack a part",
            )
        return body

    def _first_piece(self, response: requests.Response) -> tuple[requests.Response, Iterator[bytes], bytes]:
        if response.status_code != 200:
            with response:
                body = self._responses.read(response, ERROR_BYTES)
            open_envelope(body, Envelope[object], self.url)
            raise Refused(f"{self.url} answered {response.status_code}", "try again later")
        pieces = self._responses.pieces(response)
        return response, pieces, self._responses.next_piece(pieces)

    def _arrive(self, path: str, form: Form, method: str) -> requests.Response:
        """Send, and follow the server about its own host."""
        address = f"{self.url}{path}"
        for _ in range(4):
            response = self._send(method, address, form)
            if response.is_redirect:
                response.close()
                address = self._follow(address, response.headers["Location"])
            elif response.status_code == 405 and method == "POST":
                response.close()
                method = "GET"
            else:
                return response
        raise Refused(f"{self.url} keeps redirecting", "give the address that it leads to")

    def _send(
        self, method: str, address: str, form: Form | bytes, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        try:
            # Digest authentication reads the whole body of the first refusal.
            with deadline(READS * self._timeout_s, ERROR_BYTES):
                return self._client.send(method, address, form, headers)
        except requests.exceptions.Timeout:
            raise self._responses.late() from None
        except (requests.exceptions.RequestException, wire.HTTPError, ValueError) as error:
            raise self._responses.unsent(error, answered=self._answered) from None

    def _follow(self, address: str, location: str) -> str:
        try:
            old, new = urlsplit(address), urlsplit(urljoin(address, location))
            stays = _is_same_site(old, new)
        except ValueError:
            raise Refused(f"{self.url} redirects to an invalid address", "give the address behind it") from None
        if not stays:
            raise Refused(
                f"{self.url} redirects to another host ({plain(new.scheme)}://{plain(new.netloc.rpartition('@')[2])})",
                "that is often a log-in page: give the address behind it, and credentials in a profile",
            )
        return new.geturl()


def _is_same_site(old: SplitResult, new: SplitResult) -> bool:
    """Whether a redirect stays on its host and port, or only adds TLS to it."""
    ports = {"http": 80, "https": 443}
    if new.scheme not in ports or new.hostname != old.hostname or "@" in new.netloc:
        return False
    if new.scheme == old.scheme:
        return (new.port or ports[new.scheme]) == (old.port or ports[old.scheme])
    return new.scheme == "https" and new.port == old.port


def _status_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Status).status
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
