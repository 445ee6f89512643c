"""How to reach a Prometheus-compatible server: one object, from the profile to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meshlab.config import Kind, Limits, Profile
from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.engines import backends
from meshlab.errors import ConfigError

if TYPE_CHECKING:
    from requests.auth import AuthBase

__all__ = ["Connection"]


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Address, credentials and limits; its text holds no secret.

    Parameters
    ----------
    url : str
        Base address without credentials, such as ``http://localhost:9090``.
    kind : Kind, optional
        What answers there; found out when not given.
    tenant : str
        Of a store with tenants.
    limits : Limits
        How much is asked for at once, and how long one waits.
    match : tuple of Matcher
        Conditions that every selector of every question gets.
    compression : bool
        Whether to ask for compressed answers: slower on a local network, faster over a thin line.
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping
        Sent with each request, such as a bearer token.
    ca_file : Path, optional
        Certificates to trust instead of the usual ones.
    client_cert, client_key : Path, optional
        Certificate to show, and its key when that is in a file of its own.
    cache : Path, optional
        Folder for answers about the past; none are kept when not given.
    ui_url : str
        Where people look at queries; empty for the server itself.

    Raises
    ------
    ConfigError
        The URL holds credentials or is not an address, or a tenant is given to a store without tenants.
    """

    url: str = field(kw_only=False)
    kind: Kind | None = None
    tenant: str = ""
    limits: Limits = field(default_factory=Limits)
    match: tuple[Matcher, ...] = ()
    compression: bool = False
    auth: tuple[str, str] | AuthBase | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    cache: Path | None = None
    ui_url: str = ""

    def __post_init__(self) -> None:
        _ = self.address

    @classmethod
    def of(cls, name: str, profile: Profile, *, cache: Path | None = None) -> Connection:
        """What a profile of that name says, with its secrets read from where they are.

        Raises
        ------
        ConfigError
            A secret is not where the profile says, or as for the class.
        """
        return cls(
            profile.url,
            kind=profile.kind,
            tenant=profile.tenant,
            limits=profile.limits,
            match=profile.matchers,
            compression=profile.compression,
            auth=profile.auth(name),
            headers=profile.headers(name),
            ca_file=profile.ca_file,
            client_cert=profile.client_cert,
            client_key=profile.client_key,
            cache=cache,
            ui_url=profile.ui_url,
        )

    @cached_property
    def address(self) -> str:
        """Where the tenant's data is, without a last slash."""
        return _base_address(backends.address(self.url, self.kind, self.tenant)[0])

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers, with the one that names the tenant."""
        return {**self.headers, **backends.address(self.url, self.kind, self.tenant)[1]}


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
        raise ConfigError(f"{shown!r} is not a base address", "write http://HOST:PORT, without ? and #")
    return url.rstrip("/")
