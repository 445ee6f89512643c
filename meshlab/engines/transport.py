"""One request to a Prometheus-compatible API: sent, bounded, retried, and its failures told apart."""

from __future__ import annotations

import base64
import html
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import msgspec
import requests
from prometheus_api_client import PrometheusConnect
from urllib3 import exceptions as wire
from urllib3.util import Retry

from meshlab.core.sanitize import plain
from meshlab.engines.certificates import check_authorities, check_own, tls_alert, tls_failure
from meshlab.engines.deadline import PunctualAdapter, within
from meshlab.engines.decompression import CutOff, UnknownPacking, unpacked
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.errors import ConfigError, EngineError, Refused, TooMuch, Unreachable

__all__ = ["MAX_BYTES", "Form", "Transport"]

Form = Mapping[str, str | Sequence[str]]
T = TypeVar("T")

MAX_BYTES: Final = 512 << 20
"""Longest unpacked answer unless told otherwise."""
_PIECE: Final = 1 << 20
_BUSY: Final = (429, 502, 503, 504)
_TOO_LONG: Final = (413, 414)
_PAUSES_S: Final = (0.3, 0.6, 1.2)
"""Between two tries."""
_AWAY_PAUSES_S: Final = (*_PAUSES_S, 2.4, 4.8, 9.6)
"""Between two tries of a server that answered before and now takes no connection: it starts again."""
_LONGEST_PAUSE_S: Final = 30.0
_READS: Final = 10
"""A whole answer, or a piece of a stream, may take so many times the time-out."""
_CONNECTIONS: Final = 8
_SECRET_HEADERS: Final = ("auth", "cookie", "key", "secret", "token")
"""What is in these is hidden however short it is; in others when it is longer than `_TELLING`."""
_TENANTS: Final = ("x-scope-orgid", "thanos-tenant")
"""A tenant's name is hidden as a whole: its beginning may be that of a host."""
_TELLING: Final = 6
"""So many characters of a secret's beginning or end are hidden too: a message may have been cut inside it."""
_ERROR_BYTES: Final = 1 << 20
_LESS: Final = "ask for a shorter window, a longer step, or fewer series"


class _Broken(Exception):
    """The connection broke: worth another try."""


class _Away(_Broken):
    """A server that answered before takes no connection."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would read the whole body of every redirect. `Transport` follows on its own."""


class _Status(msgspec.Struct):
    status: str = ""


class Transport:
    """Sends questions on prometheus-api-client's session; several threads may use one.

    Its own POST puts the parameters into the URL, where long queries fail, so the body is sent here. The environment
    (proxies, netrc) is not read.

    Parameters
    ----------
    url : str
        Base address, without credentials.
    timeout_s : float
        Seconds to connect, for the head of an answer, and between two pieces of its body; ten times that for the whole.
    compression : bool
        Whether to ask for compressed answers: it costs the server more time than a local network needs.
    max_bytes : int
        Longest answer that is read, unpacked. Each of several threads may hold that much.
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping, optional
        Sent with each request, such as a tenant or a bearer token.
    ca_file : Path, optional
        Certificates to trust instead of the usual ones.
    client_cert : Path or (Path, Path), optional
        Certificate to show, and its key when that is in a file of its own.

    Raises
    ------
    ConfigError
        The URL holds credentials or is none, a header cannot be sent, or a file of certificates cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        compression: bool,
        max_bytes: int = MAX_BYTES,
        auth: tuple[str, str] | requests.auth.AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        client_cert: tuple[Path, Path] | Path | None = None,
    ) -> None:
        self.url = _base_address(url)
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        session = _Session()
        session.trust_env = False
        session.headers["Accept-Encoding"] = "gzip" if compression else "identity"
        for name, value in (headers or {}).items():
            if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()):
                raise ConfigError(f"the header {plain(name)!r} cannot be sent", "write it in one line of ASCII")
            session.headers[name] = value
        session.auth = auth
        if ca_file is not None:
            session.verify = check_authorities(Path(ca_file))
        if client_cert is not None:
            session.cert = check_own(*client_cert) if isinstance(client_cert, tuple) else check_own(client_cert, None)
        self._cert = session.cert
        self._secrets = _secrets(auth, headers or {})
        named = {name: value for name, value in (headers or {}).items() if name.lower() not in _TENANTS}
        self._telling = _secrets(auth, named)
        self._answered = False
        # urllib3 tries nothing again: what went wrong is judged here.
        patience = Retry(total=0, read=False, redirect=False, respect_retry_after_header=False)
        self._client = PrometheusConnect(url=self.url, session=session, retry=patience)
        adapter = PunctualAdapter(pool_maxsize=_CONNECTIONS, max_retries=patience)
        for prefix in (self.url, "http://", "https://"):  # a redirect may add TLS
            session.mount(prefix, adapter)
        self._session = session

    def ask(
        self, path: str, form: Form, *, method: str = "POST", patient: bool = True, max_bytes: int | None = None
    ) -> bytes:
        """Send a form to a path of the API and read the answer's body.

        Parameters
        ----------
        path : str
        form : mapping
        method : str
            ``POST``, or ``GET`` with the form in the address.
        patient : bool
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
            The answer is no JSON, or leads to another host.
        """
        try:
            return self._persist(path, form, method, patient, partial(self._whole, most=max_bytes or self._max_bytes))
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
            response, pieces, piece = self._persist(path, form, method, True, self._beginning)
            size = 0
            with response:
                while piece:
                    yield piece
                    size += len(piece)
                    try:
                        piece = self._gathered(response, pieces)
                    except _Broken as broken:
                        raise Unreachable(
                            f"the answer of {self.url} broke off after {size:,} bytes ({broken})",
                            "ask again, or for less at once",
                        ) from None
        except EngineError as error:
            raise self.redacted(error) from None

    def redacted(self, error: EngineError) -> EngineError:
        """The same error without this transport's secrets, should a server have repeated them."""
        return type(error)(self.hide(error.what), self.hide(error.hint))

    def hide(self, text: str) -> str:
        """The text without this transport's secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _without_ends(text, self._telling)

    def _persist(self, path: str, form: Form, method: str, patient: bool, take: Callable[[requests.Response], T]) -> T:
        """Ask until an answer is there to be taken, or patience ends."""
        pauses: tuple[float, ...] = _PAUSES_S if patient else ()
        count = 0
        while True:
            pause = pauses[count] if count < len(pauses) else None
            count += 1
            try:
                response = self._arrive(path, form, method)
                try:
                    if pause is not None and _is_busy(response):
                        pause = _pause_asked_for(response, pause)
                    if pause is None or not _is_busy(response):
                        self._check(response, count)
                        taken = take(response)
                        self._answered = True
                        return taken
                except BaseException:
                    response.close()
                    raise
                response.close()
            except _Away as away:
                # It starts again: from now on, its other faults are waited for as long.
                pauses = _AWAY_PAUSES_S if patient else ()
                if count > len(pauses):
                    raise Unreachable(f"{self.url} does not come back ({away})", self._try()) from None
                pause = pauses[count - 1]
            except _Broken as broken:
                if count == 1 and not self._answered and (alert := tls_alert(self.url, self._timeout_s, self._cert)):
                    raise tls_failure(alert, self.url, self._timeout_s, own=self._cert is not None) from None
                if pause is None:
                    raise Unreachable(
                        f"the answer of {self.url} broke off {count} times ({broken})", self._try()
                    ) from None
            time.sleep(pause)

    def _whole(self, response: requests.Response, most: int) -> bytes:
        with response:
            body = self._read(response, most)
        if response.status_code >= 400 and _status_in(body) == "success":
            raise Refused(
                f"{self.url} answered {response.status_code}, and data with it",
                "try again: data with an error may lack a part",
            )
        return body

    def _beginning(self, response: requests.Response) -> tuple[requests.Response, Iterator[bytes], bytes]:
        if response.status_code != 200:
            with response:
                body = self._read(response, _ERROR_BYTES)
            open_envelope(body, Envelope[object], self.url)
            raise Refused(f"{self.url} answered {response.status_code}", "try again later")
        pieces = self._pieces(response)
        return response, pieces, self._gathered(response, pieces)

    def _arrive(self, path: str, form: Form, method: str) -> requests.Response:
        """Send, and follow the server about its own host."""
        address = f"{self._client.url}{path}"
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

    def _send(self, method: str, address: str, form: Form) -> requests.Response:
        try:
            # Digest authentication reads the whole body of the first refusal.
            with within(_READS * self._timeout_s, _ERROR_BYTES):
                return self._session.request(
                    method,
                    address,
                    data=form if method == "POST" else None,
                    params=form if method == "GET" else None,
                    timeout=self._timeout_s,
                    stream=True,
                    allow_redirects=False,
                )
        except requests.exceptions.Timeout:
            raise self._late() from None
        except (requests.exceptions.RequestException, wire.HTTPError, ValueError) as error:
            raise self._unsent(error) from None

    def _unsent(self, error: Exception) -> EngineError | _Broken:
        """Why no head of an answer came."""
        cause = error.args[0] if error.args else error
        reason = getattr(cause, "reason", cause)
        inner = [each for each in (*getattr(cause, "args", ()), *getattr(reason, "args", ()), reason) if each]
        insecure = next((each for each in inner if isinstance(each, ssl.SSLError)), None)
        if isinstance(insecure, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return _Broken("the connection was closed")
        if insecure is not None:
            return tls_failure(insecure, self.url, self._timeout_s, own=self._cert is not None)
        protocol = next((each for each in inner if isinstance(each, HTTPException)), None)
        if isinstance(protocol, BadStatusLine) and not isinstance(protocol, RemoteDisconnected):
            # What is left of an earlier answer reads like this too: a new connection may be better.
            return _Broken("it does not speak HTTP")
        odd = protocol is not None and not isinstance(protocol, BadStatusLine | IncompleteRead)
        if odd or isinstance(cause, wire.InvalidHeader | ValueError | str):
            return Refused(
                f"{self.url} answered with a head that cannot be read ({type(protocol or cause).__name__})",
                "check that it is the address of a Prometheus-compatible API",
            )
        if isinstance(cause, wire.ProtocolError):
            return _Broken("the connection was closed")
        if self._answered and isinstance(reason, wire.NewConnectionError):
            return _Away(_in_words(reason))
        return Unreachable(f"nothing answers at {self.url} ({_in_words(reason)})", self._try())

    def _try(self) -> str:
        return f"check that it runs and can be reached from here: curl {self.url}/-/ready"

    def _late(self) -> Unreachable:
        return Unreachable(
            f"{self.url} did not answer within {self._timeout_s:g} s",
            f"ask for less at once, give it more time, or {self._try()}",
        )

    def _follow(self, address: str, location: str) -> str:
        try:
            old, new = urlsplit(address), urlsplit(urljoin(address, location))
            stays = _is_same_site(old, new)
        except ValueError:
            raise Refused(f"{self.url} redirects to no address", "give the address behind it") from None
        if not stays:
            raise Refused(
                f"{self.url} redirects to another host ({plain(new.scheme)}://{plain(new.netloc.rpartition('@')[2])})",
                "that is often a log-in page: give the address behind it, and credentials in a profile",
            )
        return new.geturl()

    def _check(self, response: requests.Response, tries: int) -> None:
        status = response.status_code
        if status in (401, 403):
            raise Refused(
                f"{self.url} asks for credentials, or for others ({status})", "put them into a profile of meshlab.toml"
            )
        if status in _TOO_LONG:
            raise TooMuch(f"{self.url} finds the request too long ({status})", f"shorten the query, or {_LESS}")
        if _is_json(response):
            return
        if status == 429:
            raise Refused(f"{self.url} has too many requests ({status}, {tries} tries)", "try again later")
        if status in _BUSY:
            raise Unreachable(
                f"{self.url} answered {status} {tries} times",
                "it starts, or is overloaded, or a proxy before it finds nobody: try again in a minute",
            )
        kind = plain(response.headers.get("Content-Type", "").split(";")[0].strip())[:60] or "no content type"
        raise Refused(
            f"{self.url} answered {status} with {kind}, not with Prometheus's API",
            "check the address: it may be that of a Grafana or a proxy, or lack a path such as /prometheus",
        )

    def _read(self, response: requests.Response, most: int) -> bytes:
        packed = response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")
        length = response.headers.get("Content-Length", "")
        if not packed and length.isdecimal() and len(length) < 20 and int(length) > most:
            raise self._too_long(most)
        found, size = [], 0
        with self._reading():
            for piece in self._pieces(response):
                found.append(piece)
                size += len(piece)
                if size > most:
                    raise self._too_long(most)
        return b"".join(found)

    def _gathered(self, response: requests.Response, pieces: Iterator[bytes]) -> bytes:
        """The next pieces of a stream as one; nothing at its end."""
        found, size = [], 0
        with self._reading():
            for piece in pieces:
                found.append(piece)
                size += len(piece)
                if size >= _PIECE:
                    break
        return b"".join(found)

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        # read1 gives what has arrived; unpacked here, where a piece's length is bounded and its end is checked.
        raw = response.raw
        return unpacked(
            lambda: raw.read1(_PIECE, decode_content=False), response.headers.get("Content-Encoding", ""), _PIECE
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Bound the time of reading, and name what can go wrong in it."""
        seconds = _READS * self._timeout_s
        deadline = time.monotonic() + seconds
        try:
            with within(seconds):
                yield
        except (wire.ReadTimeoutError, TimeoutError):
            if time.monotonic() < deadline:
                raise self._late() from None
            raise Unreachable(
                f"the answer of {self.url} did not end within {seconds:g} s",
                "ask for less at once, or give it more time",
            ) from None
        except UnknownPacking as error:
            raise Refused(
                f"{self.url} answered in a compression that nobody asked for ({plain(error)[:40]!r})",
                "look at what lies between: a proxy may add it",
            ) from None
        except (wire.HTTPError, CutOff, HTTPException, OSError, ValueError) as error:
            raise _Broken(type(error).__name__) from None

    def _too_long(self, most: int) -> TooMuch:
        return TooMuch(
            f"the answer of {self.url} is longer than {most:,} bytes",
            f"{_LESS}, or raise bytes in the limits of the profile",
        )


def _base_address(url: str) -> str:
    """The URL without its last slash; nothing that may be a secret gets into a message."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if "@" in url:
        raise ConfigError(
            f"the URL{f' of {plain(host)}' if host else ''} holds a user or password",
            "put credentials into a profile, not into a URL",
        )
    if not host or port == 0 or parts.scheme not in ("http", "https") or any(c in "?#" or c <= " " for c in url):
        shown = plain(url.split("?")[0].split("#")[0])
        raise ConfigError(f"{shown!r} is no base address", "write http://HOST:PORT, without ? and #")
    return url.rstrip("/")


def _secrets(auth: object, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What must not appear in a message, as sent and as a server may write it, the longest first."""
    found = set()
    if isinstance(auth, tuple):
        found |= {auth[1], base64.b64encode(":".join(auth).encode()).decode()}
    elif auth is not None:
        found |= {value for name, value in vars(auth).items() if isinstance(value, str) and name != "username"}
    for name, value in headers.items():
        # A short tenant is a name, and would tear holes into every sentence.
        if any(word in name.lower() for word in _SECRET_HEADERS) or len(value) > _TELLING:
            found |= {value.split(" ", 1)[-1], value.split(" ", 1)[0] if " " not in value else ""}
    for secret in tuple(found):
        found |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret), quote(secret, safe="")}
    return tuple(sorted(filter(None, found), key=lambda secret: (-len(secret), secret)))


def _without_ends(text: str, secrets: Sequence[str]) -> str:
    """The text without the beginnings and ends of secrets, which stay where a message was cut inside one."""
    long = [secret for secret in secrets if len(secret) > _TELLING]
    for _ in range(2):
        while found := [(text.find(secret[:_TELLING]), secret) for secret in long if secret[:_TELLING] in text]:
            at, most = max((_shared(text[at:], secret), at) for at, secret in found)[::-1]
            text = f"{text[:at]}***{text[at + most :]}"
        # Ends are beginnings of what is written from right to left.
        text, long = text[::-1], [secret[::-1] for secret in long]
    return text


def _shared(one: str, other: str) -> int:
    """With how many equal characters two texts begin."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


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


def _is_json(response: requests.Response) -> bool:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip()
    # VictoriaMetrics answers raw samples as application/stream+json.
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _is_busy(response: requests.Response) -> bool:
    """Whether another try may help. A store's own 503 is a query that took too long: it would take as long again."""
    status = response.status_code
    return status in _BUSY and not (status == 503 and _is_json(response) and "Retry-After" not in response.headers)


def _pause_asked_for(response: requests.Response, otherwise: float) -> float | None:
    """Seconds to wait as the server says; None when that is longer than anyone waits.

    A date is compared with the server's own, whatever the clock here says.
    """
    header = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", header):
        asked = float(header[:12])
    else:
        try:
            until, now = (parsedate_to_datetime(text) for text in (header, response.headers.get("Date", "")))
            asked = (until.replace(tzinfo=until.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return otherwise
    return max(asked, otherwise) if asked <= _LONGEST_PAUSE_S else None


def _in_words(reason: object) -> str:
    if isinstance(reason, wire.NameResolutionError):
        return "unknown host"
    if isinstance(reason, wire.NewConnectionError):
        return "connection refused" if "refused" in str(reason) else "no connection"
    return type(reason).__name__
