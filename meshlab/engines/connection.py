"""How to reach a Prometheus-compatible server: one object, from the profile to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meshlab.config import Auth, Profile
from meshlab.core.sanitize import address, plain
from meshlab.engines import backends
from meshlab.errors import ConfigError

if TYPE_CHECKING:
    from requests.auth import AuthBase

__all__ = ["Connection"]


@dataclass(frozen=True)
class Connection:
    """A profile with its secrets; its text holds none of them.

    Parameters
    ----------
    profile : Profile
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping
        Sent with each request, such as a bearer token.
    cache : Path, optional
        Folder for answers about the past; none are kept when not given.

    Raises
    ------
    ConfigError
        The URL holds credentials or is not an address, or a tenant is given to a store without tenants.
    """

    profile: Profile
    auth: tuple[str, str] | AuthBase | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cache: Path | None = None

    def __post_init__(self) -> None:
        _ = self.address

    @classmethod
    def to(cls, url: str) -> Connection:
        """A server that needs nothing but its base address."""
        return cls(Profile(url=_base_address(url)))

    @classmethod
    def of(cls, name: str, profile: Profile, *, cache: Path | None = None) -> Connection:
        """A profile of that name, its secrets read from where they are.

        Raises
        ------
        ConfigError
            A secret is not where the profile says, or as for the class.
        """
        auth: tuple[str, str] | AuthBase | None = profile.basic_auth(name)
        if profile.auth is Auth.SIGV4:
            from meshlab.engines.sigv4 import SigV4

            auth = SigV4(profile, name)
        return cls(profile, auth, profile.headers(name), cache)

    @cached_property
    def address(self) -> str:
        """Where the tenant's data is, without a last slash."""
        return _base_address(backends.address(self.profile)[0])

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers, with the one that names the tenant."""
        return {**self.headers, **backends.address(self.profile)[1]}


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
        raise ConfigError(f"{address(url)!r} is not a base address", "write http://HOST:PORT, without ? and #")
    return url.rstrip("/")
