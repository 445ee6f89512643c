"""One request to a Prometheus-compatible API: sent, bounded, retried, and its failures told apart."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from urllib3 import exceptions as wire
from urllib3.util import Retry

from meshlab.errors import ConfigError, EngineError, Refused, Unreachable
from meshlab.escape import plain

__all__ = ["Form", "Transport"]

Form = Mapping[str, str | Sequence[str]]

_PIECE: Final = 1 << 20
_BUSY: Final = (429, 502, 503, 504)
_PAUSES_S: Final = (0.3, 0.6, 1.2)
"""Between two tries."""
_LONGEST_PAUSE_S: Final = 30.0
_READS: Final = 10
"""A whole answer may take so many times the time-out."""
_SECRET_HEADERS: Final = ("auth", "cookie", "key", "secret", "token")


class _Broken(Exception):
    """The connection broke: worth another try."""


class Transport:
    """Sends questions on prometheus-api-client's session.

    Its own POST puts the parameters into the URL, where long queries fail, so the body is sent here. The environment
    (proxies, netrc) is not read.

    Parameters
    ----------
    url : str
        Base address, without credentials.
    timeout_s : float
        Seconds to connect, and between two pieces of an answer; ten times that for the whole.
    compression : bool
        Whether to ask for compressed answers: it costs the server more time than a local network needs.
    max_bytes : int
        Longest answer that is read.
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping, optional
        Sent with each request, such as a tenant or a bearer token.
    ca_file : Path, optional
        Certificates to trust instead of the usual ones.

    Raises
    ------
    ConfigError
        The URL holds credentials or is none, or a header cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        compression: bool,
        max_bytes: int,
        auth: tuple[str, str] | requests.auth.AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        client_cert: Path | tuple[Path, Path] | None = None,
    ) -> None:
        self.url = _base_address(url)
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        session = requests.Session()
        session.trust_env = False
        session.headers["Accept-Encoding"] = "gzip" if compression else "identity"
        for name, value in (headers or {}).items():
            if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()):
                raise ConfigError(f"the header {plain(name)!r} cannot be sent", "write it in one line of ASCII")
            session.headers[name] = value
        session.auth = auth
        if ca_file is not None:
            session.verify = str(ca_file)
        self._secrets = _secrets(auth, headers or {})
        # A refused connection gets one more try of urllib3's; what an answer says is judged here.
        patience = Retry(total=1, connect=1, read=False, redirect=False, respect_retry_after_header=False)
        self._client = PrometheusConnect(url=self.url, session=session, retry=patience)
        self._session = session

    def ask(self, path: str, form: Form, *, method: str = "POST", patient: bool = True) -> bytes:
        """Send a form to a path of the API and read the answer's body.

        Parameters
        ----------
        path : str
        form : mapping
        method : str
            ``POST``, or ``GET`` with the form in the address.
        patient : bool
            Whether to ask a busy server again.

        Returns
        -------
        bytes
            The body of an answer whose content is JSON, whatever its status.

        Raises
        ------
        Unreachable
            Nobody answered, or not in time, or only a proxy.
        Refused
            The answer is no JSON, is too long, or leads to another host.
        """
        pauses = (*_PAUSES_S, None) if patient else (None,)
        for count, pause in enumerate(pauses, 1):
            try:
                with self._arrive(path, form, method) as response:
                    if pause is not None and _is_busy(response):
                        pause = _pause_asked_for(response, pause)
                    if pause is None or not _is_busy(response):
                        self._check(response, count)
                        return self._read(response)
            except _Broken as broken:
                if pause is None:
                    raise Unreachable(
                        f"the answer of {self.url} broke off {count} times ({broken})", self._try()
                    ) from None
            time.sleep(pause)
        raise AssertionError  # the last try has no pause

    def stream(self, path: str, form: Form) -> Iterator[bytes]:
        """Send a form to a path of the API and read the answer's body piece by piece; see `ask`."""
        yield self.ask(path, form)

    def redacted(self, error: EngineError) -> EngineError:
        """The same error without this transport's secrets, should a server have repeated them."""
        return type(error)(self._hide(error.what), self._hide(error.hint))

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

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
            return self._session.request(
                method,
                address,
                data=form if method == "POST" else None,
                params=form if method == "GET" else None,
                timeout=self._timeout_s,
                stream=True,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError:
            raise Unreachable(
                f"the certificate of {self.url} is not trusted", "check the certificate, or give its CA"
            ) from None
        except requests.exceptions.Timeout:
            raise self._late() from None
        except requests.exceptions.RequestException as error:
            cause = error.args[0] if error.args else error
            if isinstance(cause, wire.ProtocolError):
                raise _Broken("the connection was closed") from None
            reason = getattr(cause, "reason", cause)
            raise Unreachable(f"nothing answers at {self.url} ({_in_words(reason)})", self._try()) from None

    def _try(self) -> str:
        return f"check that it runs and can be reached from here: curl {self.url}/-/ready"

    def _late(self) -> Unreachable:
        return Unreachable(
            f"{self.url} did not answer within {self._timeout_s:g} s",
            f"ask for less at once, give it more time, or {self._try()}",
        )

    def _follow(self, address: str, location: str) -> str:
        old, new = urlsplit(address), urlsplit(urljoin(address, location))
        if new.netloc != old.netloc or (new.scheme != old.scheme and new.scheme != "https"):
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

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + _READS * self._timeout_s
        pieces, size = [], 0
        try:
            # read1 gives what has arrived: a server that drips bytes cannot hold us beyond the deadline.
            while piece := response.raw.read1(_PIECE, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > self._max_bytes:
                    raise Refused(
                        f"the answer of {self.url} is longer than {self._max_bytes:,} bytes",
                        "ask for a shorter window, a longer step, or fewer series",
                    )
                if time.monotonic() > deadline:
                    raise Unreachable(
                        f"the answer of {self.url} did not end within {_READS * self._timeout_s:g} s",
                        "ask for less at once, or give it more time",
                    )
        except wire.ReadTimeoutError:
            raise self._late() from None
        except wire.HTTPError as error:
            raise _Broken(type(error).__name__) from None
        return b"".join(pieces)


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
    """What must not appear in a message, the longest first."""
    found = set()
    if isinstance(auth, tuple):
        found |= {auth[1], base64.b64encode(":".join(auth).encode()).decode()}
    for name, value in headers.items():
        if any(word in name.lower() for word in _SECRET_HEADERS):
            found |= {value, value.split(" ", 1)[-1]}
    return tuple(sorted(filter(None, found), key=lambda secret: (-len(secret), secret)))


def _is_json(response: requests.Response) -> bool:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip()
    # VictoriaMetrics answers raw samples as application/stream+json.
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _is_busy(response: requests.Response) -> bool:
    """Whether another try may help. A store's own 503 is a query that took too long: it would take as long again."""
    status = response.status_code
    return status in _BUSY and not (status == 503 and _is_json(response) and "Retry-After" not in response.headers)


def _pause_asked_for(response: requests.Response, otherwise: float) -> float | None:
    """Seconds to wait as the server says; None when that is longer than anyone waits."""
    header = response.headers.get("Retry-After")
    try:
        asked = Retry().parse_retry_after(header) if header else 0.0
    except (wire.InvalidHeader, OverflowError, ValueError):
        return otherwise
    return max(asked, otherwise) if asked <= _LONGEST_PAUSE_S else None


def _in_words(reason: object) -> str:
    if isinstance(reason, wire.NameResolutionError):
        return "unknown host"
    if isinstance(reason, wire.NewConnectionError):
        return "connection refused" if "refused" in str(reason) else "no connection"
    return type(reason).__name__
