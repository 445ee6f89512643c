"""One POST to a receiver: bounded in time and size, to no cloud's metadata, and not sent on elsewhere."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import requests

from meshlab.core.running import unlogged
from meshlab.engines.deadline import DeadlineAdapter, deadline
from meshlab.errors import ReportError

__all__ = ["post"]

_TIMEOUT_S: Final = 15
_LONGEST_ANSWER: Final = 1 << 20
# Where clouds hand out a machine's credentials to whoever asks from it.
_METADATA: Final = tuple(
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32"))
)


def post(name: str, address: str, body: object) -> None:
    """Send JSON.

    Parameters
    ----------
    name : str
        The receiver's, for messages. The address is in no message: it may be a secret.
    address : str
    body : object

    Raises
    ------
    ReportError
        The receiver cannot be reached, is a cloud's metadata service, or refuses; a redirect is a refusal.
    """
    if _is_metadata(address):
        raise ReportError(f"{name} is at the address of a cloud's metadata service", "name a receiver of messages")
    try:
        # urllib3 logs the path of every address at its level DEBUG, and that of a webhook is its password.
        with unlogged("urllib3.connectionpool"), requests.Session() as session, deadline(_TIMEOUT_S, _LONGEST_ANSWER):
            for scheme in ("http://", "https://"):
                session.mount(scheme, DeadlineAdapter())
            # Only the status counts: what else is answered is not read.
            with session.post(address, json=body, timeout=_TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                status = answer.status_code
    except (requests.RequestException, OSError) as error:
        raise ReportError(f"{name} cannot be reached: {type(error).__name__}", "check its address") from None
    if status >= 300:
        raise ReportError(f"{name} answered {status}", "check its address, and what it accepts")


def _is_metadata(address: str) -> bool:
    """Whether an address leads to a metadata service, whatever it is called."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False  # it will not be reached either
    for text in found:
        ip = ip_address(text)
        if isinstance(ip, IPv6Address):
            ip = ip.ipv4_mapped or ip
        if any(ip in network for network in _METADATA):
            return True
    return False
