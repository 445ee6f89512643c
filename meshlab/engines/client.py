"""One request on prometheus-api-client's connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util import Retry

from meshlab.core.sanitize import plain
from meshlab.engines.certificates import check_authorities, check_own
from meshlab.engines.connection import Connection
from meshlab.engines.deadline import DeadlineAdapter
from meshlab.errors import ConfigError

__all__ = ["Client", "Form"]

Form = Mapping[str, str | Sequence[str]]
_CONNECTIONS: Final = 8


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would read the whole body of every redirect. `Transport` follows on its own."""


class Client(PrometheusConnect):  # type: ignore[misc]
    """prometheus-api-client's connection with a session of our own; several threads may use one.

    Its own POST puts the parameters into the URL, where long queries fail: `send` puts them into the body. The
    environment (proxies, netrc) is not read.

    Parameters
    ----------
    connection : Connection

    Raises
    ------
    ConfigError
        A header cannot be sent, or a file of certificates cannot be used.
    """

    def __init__(self, connection: Connection) -> None:
        profile, session = connection.profile, _Session()
        session.trust_env = False
        session.headers["Accept-Encoding"] = "gzip" if profile.compression else "identity"
        for name, value in connection.sent_headers.items():
            if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()):
                raise ConfigError(f"the header {plain(name)!r} cannot be sent", "write it in one line of ASCII")
            session.headers[name] = value
        session.auth = connection.auth
        if profile.ca_file is not None:
            session.verify = check_authorities(profile.ca_file)
        if profile.client_cert is not None:
            session.cert = check_own(profile.client_cert, profile.client_key)
        self.cert = session.cert
        # urllib3 tries nothing again: what went wrong is judged by `Transport`.
        once = Retry(total=0, read=False, redirect=False, respect_retry_after_header=False)
        super().__init__(connection.address, session=session, retry=once, timeout=profile.limits.timeout_s)
        adapter = DeadlineAdapter(pool_maxsize=_CONNECTIONS, max_retries=once)
        for prefix in (self.url, "http://", "https://"):  # a redirect may add TLS
            session.mount(prefix, adapter)

    def send(
        self, method: str, address: str, form: Form | bytes, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a form, or bytes: with POST in the body, with GET in the address. The answer's body is not read yet."""
        response: requests.Response = self._session.request(
            method,
            address,
            data=form if method == "POST" else None,
            params=form if method == "GET" else None,
            headers=headers,
            timeout=self._timeout,
            stream=True,
            allow_redirects=False,
        )
        return response
