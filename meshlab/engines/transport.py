"""One request to a Prometheus-compatible API: sent, bounded, retried, and its failures told apart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from meshlab.errors import ConfigError, Refused, Unreachable
from meshlab.escape import plain

__all__ = ["Transport"]

_CHUNK: Final = 1 << 20
_LONGEST_WAIT_S: Final = 30.0
Form = Mapping[str, str | Sequence[str]]


class _Patience(Retry):
    """urllib3's retries, which would otherwise wait for as long as a server says."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        wait = super().get_retry_after(response)
        return None if wait is None else min(wait, _LONGEST_WAIT_S)


class Transport:
    """Sends questions on prometheus-api-client's session.

    Its own POST puts the parameters into the URL, where long queries fail, so the body is sent here.

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

    Raises
    ------
    ConfigError
        The URL holds credentials or is none.
    """

    def __init__(self, url: str, *, timeout_s: float, compression: bool, max_bytes: int) -> None:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ConfigError(
                f"the URL of {parts.hostname} holds a user or password",
                "put credentials into a profile, not into a URL",
            )
        if not parts.hostname or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise ConfigError(f"{plain(url)!r} is no base address", "write http://HOST:PORT, without ? and #")
        self.url = url.rstrip("/")
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        patience = _Patience(
            total=4,
            connect=1,
            backoff_factor=0.3,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        session = requests.Session()
        session.trust_env = False
        session.headers["Accept-Encoding"] = "gzip" if compression else "identity"
        self._session = session
        self._client = PrometheusConnect(url=self.url, session=session, retry=patience)

    def ask(self, path: str, form: Form) -> bytes:
        """Send a form to a path of the API and read the answer's body.

        Returns
        -------
        bytes
            The body of an answer whose content is JSON, whatever its status.

        Raises
        ------
        Unreachable
            Nobody answered, or not in time.
        Refused
            The answer is no JSON, is too long, or leads to another host.
        """
        address = f"{self._client.url}{path}"
        method = "POST"
        for _ in range(4):
            response = self._send(method, address, form)
            with response:
                if response.is_redirect or response.is_permanent_redirect:
                    address = self._follow(address, response.headers["Location"])
                    continue
                if response.status_code == 405 and method == "POST":
                    method = "GET"
                    continue
                self._check(response)
                return self._read(response)
        raise Refused(f"{self.url} keeps redirecting", "give the address that it leads to")

    def _send(self, method: str, address: str, form: Form) -> requests.Response:
        try:
            response: requests.Response = self._client._session.request(
                method,
                address,
                data=form if method == "POST" else None,
                params=form if method == "GET" else None,
                timeout=self._timeout_s,
                stream=True,
                allow_redirects=False,
            )
            return response
        except requests.exceptions.SSLError:
            raise Unreachable(
                f"the certificate of {self.url} is not trusted", "check the certificate, or give its CA"
            ) from None
        except requests.exceptions.Timeout:
            raise Unreachable(f"{self.url} did not answer within {self._timeout_s:g} s", self._try()) from None
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"nothing answers at {self.url} ({_reason(error)})", self._try()) from None

    def _try(self) -> str:
        return f"check that it runs and can be reached from here: curl {self.url}/-/ready"

    def _follow(self, address: str, location: str) -> str:
        target = urljoin(address, location)
        if urlsplit(target).netloc != urlsplit(address).netloc:
            raise Refused(
                f"{self.url} redirects to another host ({plain(urlsplit(target).netloc)})",
                "that is often a log-in page: give the address behind it, and credentials in a profile",
            )
        return target

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if status in (401, 403):
            raise Refused(f"{self.url} asks for credentials ({status})", "put them into a profile of meshlab.toml")
        kind = response.headers.get("Content-Type", "").split(";")[0].strip()
        if kind != "application/json":
            raise Refused(
                f"{self.url} answered {status} with {plain(kind) or 'no content type'}, not with Prometheus's API",
                "check the address: it may be a dashboard, a proxy or a log-in page",
            )

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + 10 * self._timeout_s
        pieces, size = [], 0
        try:
            for piece in response.iter_content(_CHUNK):
                pieces.append(piece)
                size += len(piece)
                if size > self._max_bytes:
                    raise Refused(
                        f"the answer of {self.url} is longer than {self._max_bytes:,} bytes",
                        "ask for a shorter window, a longer step, or fewer series",
                    )
                if time.monotonic() > deadline:
                    raise Unreachable(f"the answer of {self.url} does not end", "ask for less at once")
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"the answer of {self.url} broke off ({_reason(error)})", "try again") from None
        return b"".join(pieces)


def _reason(error: BaseException) -> str:
    text = str(error)
    for sign, words in (
        ("refused", "connection refused"),
        ("resolve", "unknown host"),
        ("timed out", "timed out"),
        ("Max retries", "no use after retries"),
    ):
        if sign in text:
            return words
    return type(error).__name__
