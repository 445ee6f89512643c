"""What is wrong with a certificate, in one sentence."""

from __future__ import annotations

import re
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from meshlab.core.sanitize import plain
from meshlab.errors import ConfigError, EngineError, Refused, Unreachable

__all__ = ["check_authorities", "check_own", "tls_alert", "tls_failure"]

_ALERT_S: Final = 1.0
_NOT_YET, _EXPIRED = 9, 10
_NAMES: Final = (62, 63, 64)
"""OpenSSL's numbers for a host name, mail or IP address that a certificate does not hold."""
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LEN")
_WANTS_OURS: Final = (
    "CERTIFICATE_REQUIRED",
    "HANDSHAKE_FAILURE",
    "BAD_CERTIFICATE",
    "UNKNOWN_CA",
    "CERTIFICATE_EXPIRED",
)
_VALIDITY: Final = re.compile(
    rb"\x30[\x1e-\x22]((?:\x17\x0d\d{12}|\x18\x0f\d{14})Z)((?:\x17\x0d\d{12}|\x18\x0f\d{14})Z)"
)
"""A certificate's first and last instant, in DER."""


def check_authorities(path: Path) -> str:
    """Look whether a file (or folder) of certificates to trust can be used.

    Raises
    ------
    ConfigError
        It cannot.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigError(
            f"the CA file {plain(path)} cannot be used ({_why(error)})", "give a file of PEM certificates"
        ) from None
    return str(path)


def check_own(certificate: Path, key: Path | None) -> str | tuple[str, str]:
    """Look whether a client certificate and its key can be used, in the form that requests takes.

    Raises
    ------
    ConfigError
        They cannot: missing, not readable, no PEM, of different pairs, or a key with a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # An empty passphrase: OpenSSL would ask for one at the terminal, and wait.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        files = plain(certificate) if key is None else f"{plain(certificate)} with the key {plain(key)}"
        raise ConfigError(
            f"the client certificate {files} cannot be used ({_why(error)})",
            "give PEM files that belong together, readable from here, and the key without a passphrase",
        ) from None
    return str(certificate) if key is None else (str(certificate), str(key))


def tls_alert(url: str, timeout_s: float, own: str | tuple[str, str] | None) -> ssl.SSLError | None:
    """Ask a server that closed the connection whether it misses a certificate.

    It says so after the handshake; but if a request is under way by then, the close overtakes the word. So one more
    connection is made, on which nothing is sent.

    Returns
    -------
    ssl.SSLError or None
        None if it says nothing within a second.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the connection before was verified
    if own is not None:
        context.load_cert_chain(*((own,) if isinstance(own, str) else own))
    try:
        wait = min(timeout_s, _ALERT_S)
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=wait) as raw,
            context.wrap_socket(raw, server_hostname=parts.hostname) as secure,
        ):
            secure.recv(1)
    except ssl.SSLError as error:
        return error if "ALERT" in str(error.reason) else None
    except (OSError, ValueError):
        pass
    return None


def tls_failure(error: ssl.SSLError, url: str, timeout_s: float, *, own: bool) -> EngineError:
    """Say why no TLS connection came about.

    Parameters
    ----------
    error : ssl.SSLError
    url : str
        Base address.
    timeout_s : float
        To look at an expired certificate's date.
    own : bool
        Whether a client certificate was shown.

    Returns
    -------
    Unreachable or Refused
        Refused when the server turns us down, Unreachable when we turn it down.
    """
    code = getattr(error, "verify_code", 0)
    if code in (_NOT_YET, _EXPIRED):
        start, end = _validity(url, timeout_s)
        # OpenSSL judged by this machine's clock. What is out of date may be an authority of the chain instead.
        now, whose = datetime.now(UTC), "the certificate"
        if code == _EXPIRED:
            what = f"expired on {end:%Y-%m-%d %H:%M} UTC" if end and end < now else "has expired"
        else:
            what = f"is not valid before {start:%Y-%m-%d %H:%M} UTC" if start and start > now else "is not valid yet"
        if end and start and start <= now <= end:
            whose = "an authority of the certificate"
        return Unreachable(f"{whose} of {url} {what}", "renew it on the server, and check the clock here")
    if code in _NAMES:
        names = urlsplit(url).hostname or ""
        return Unreachable(
            f"the certificate of {url} does not hold the name {plain(names)!r}",
            "use a name of the certificate in the address",
        )
    if code:
        why = plain(getattr(error, "verify_message", "") or "no reason given")
        return Unreachable(
            f"the certificate of {url} is not trusted ({why})",
            "give the certificate of its authority as ca_file in the profile",
        )
    reason = str(error.reason or "")
    if any(word in reason for word in _NO_TLS):
        return Unreachable(f"{url} does not speak TLS", "try http:// instead of https://")
    if "ALERT" in reason and any(word in reason for word in _WANTS_OURS):
        what = "rejects the client certificate" if own else "requires a client certificate, or another TLS version"
        return Refused(f"{url} {what}", "give client_cert and client_key in the profile")
    return Unreachable(
        f"no TLS connection to {url} ({plain(reason) or type(error).__name__})", "check its TLS settings"
    )


def _validity(url: str, timeout_s: float) -> tuple[datetime | None, datetime | None]:
    """The server's certificate is asked for once more, unverified: OpenSSL does not tell the date."""
    parts = urlsplit(url)
    try:
        text = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=timeout_s)
        found = _VALIDITY.search(ssl.PEM_cert_to_DER_cert(text))
        return (_date(found[1]), _date(found[2])) if found else (None, None)
    except (OSError, ValueError):
        return None, None


def _date(der: bytes) -> datetime:
    digits = der[2:-1].decode()
    if der[0] == 0x17:  # two digits of the year: 1950 to 2049
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return plain(error.reason or "no PEM").lower().replace("_", " ")
    return plain(error.strerror or type(error).__name__)
