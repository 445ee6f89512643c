"""How one telemetry store is reached and read: a profile of meshlab.toml."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, field

from meshlab.config.environment import secret
from meshlab.core.selector import Matcher, parse_matcher
from meshlab.core.settings import Settings
from meshlab.errors import ParameterError

__all__ = ["Auth", "Kind", "Labels", "Limits", "Link", "Profile", "Texts"]

# Such addresses go into pages that others read: none with a user or password.
Link = Annotated[
    str,
    Meta(
        pattern=r"^(https?://[^/@\s?#]+([/?#].*)?)?\Z",
        title="an address that begins with https:// or http:// and names no user",
        examples=["https://host.example.org"],
    ),
]
Texts = dict[str, Annotated[str, Meta(min_length=1)]]
Labels = dict[str, str]
"""Names of labels; the empty text says that the store has none."""


class Kind(StrEnum):
    """What answers at an address."""

    PROMETHEUS = "prometheus"
    VICTORIAMETRICS = "victoriametrics"
    THANOS = "thanos"
    MIMIR = "mimir"


class Auth(StrEnum):
    """How requests are signed."""

    SIGV4 = "sigv4"


class Limits(Settings):
    """How much is asked for at once."""

    timeout_s: Annotated[
        float,
        Meta(gt=0, description="Seconds to connect, and between two parts of an answer; ten times that for the whole."),
    ] = 30.0
    parallel: Annotated[int, Meta(gt=0, description="Requests at the same time.")] = 4
    points: Annotated[int, Meta(gt=0, description="Steps of one range query; a longer one is asked for in chunks.")] = (
        11_000
    )
    bytes: Annotated[int, Meta(gt=0, description="Longest answer, or answers that arrive at the same time.")] = (
        512 << 20
    )
    series: Annotated[int, Meta(gt=0, description="Most series in one answer.")] = 200_000


class Profile(Settings):
    """How to reach one telemetry store, and how to read it. It holds no secret: only where to find it."""

    url: Annotated[
        str,
        Meta(
            pattern="^https?://.",
            title="an address that begins with http:// or https://",
            examples=["https://prometheus.example.org"],
            description="Base address of a Prometheus-compatible API, without credentials.",
        ),
    ] = ""
    sources: Annotated[
        tuple[str, ...],
        Meta(description="In place of an address: the profiles and recordings that are asked together, as one store."),
    ] = ()
    kind: Annotated[Kind | None, Meta(description="What answers there; found out when not given.")] = None
    tenant: Annotated[str, Meta(description="Tenant of a Mimir, Cortex or Thanos.")] = ""
    token_env: Annotated[str, Meta(description="Variable that holds a bearer token.")] = ""
    token_file: Annotated[Path | None, Meta(description="File that holds a bearer token.")] = None
    user: Annotated[str, Meta(description="User of basic authentication.")] = ""
    password_env: Annotated[str, Meta(description="Variable that holds the password.")] = ""
    password_file: Annotated[Path | None, Meta(description="File that holds the password.")] = None
    auth: Annotated[
        Auth | None,
        Meta(description="How requests are signed: `sigv4` for Amazon (needs `meshlab[aws]`)."),
    ] = None
    region: Annotated[str, Meta(description="Amazon's region; that of the address or of AWS's own settings.")] = ""
    service: Annotated[str, Meta(min_length=1, description="Amazon's service, as it is signed.")] = "aps"
    header_env: Annotated[Texts, Meta(description="Other headers, each by its variable.")] = field(default_factory=dict)
    ca_file: Annotated[Path | None, Meta(description="Certificates to trust.")] = None
    client_cert: Annotated[Path | None, Meta(description="Certificate to show.")] = None
    client_key: Annotated[Path | None, Meta(description="Its key.")] = None
    match: Annotated[
        tuple[str, ...],
        Meta(description='Conditions that every selector of every query gets, such as `cluster="east"`.'),
    ] = ()
    limits: Annotated[Limits, Meta(description="How much is asked for at once.")] = Limits()
    timeout_s: Annotated[float, Meta(gt=0, description="Short for `limits.timeout_s`.")] | None = None
    compression: Annotated[bool, Meta(description="Ask for gzip: faster over a thin line only.")] = False
    cache: Annotated[
        bool | None,
        Meta(description="Keep answers about the past on disk; by default unless the address is this machine's own."),
    ] = None
    ui_url: Annotated[
        Link,
        Meta(
            description="Where people look at queries: a Prometheus or VictoriaMetrics, or any address with `{query}`, "
            "`{start_ms}`, `{end_ms}` in it; empty: the store's own."
        ),
    ] = ""
    mesh: Annotated[str, Meta(description="The name of an installed dialect; found out when not given.")] = ""
    replica_label: Annotated[str, Meta(description="Label by which replicas of a Prometheus differ.")] = ""
    metrics: Annotated[Texts, Meta(description="The store's own names of metrics.")] = field(default_factory=dict)
    labels: Annotated[
        Labels, Meta(description="The store's own names of labels; the empty text where it has none.")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.sources):
            what = "neither url nor sources is" if not self.url else "both url and sources are"
            raise ParameterError(f"{what} given", 'write url = "https://...", or sources = ["east", "west"]')
        if self.sources and len(set(self.sources)) < 2:
            raise ParameterError("sources names fewer than two stores", 'write sources = ["east", "west"]')
        for what, first, second in (
            ("token", self.token_env, self.token_file),
            ("password", self.password_env, self.password_file),
        ):
            if first and second:
                raise ParameterError(f"both {what}_env and {what}_file are given", "keep one of them")
        if bool(self.user) != bool(self.password_env or self.password_file):
            given, missing = ("user", "password") if self.user else ("password", "user")
            hint = 'write both: user = "..." and password_env = "NAME_OF_A_VARIABLE"'
            raise ParameterError(f"a {given} is given without a {missing}", hint)
        if self.user and (self.token_env or self.token_file):
            raise ParameterError("both a user and a token are given", "keep one of them")
        if self.auth and (self.user or self.token_env or self.token_file):
            raise ParameterError(f'both auth = "{self.auth}" and a token or a user are given', "keep one of them")
        if self.client_key and not self.client_cert:
            raise ParameterError("client_key is given without client_cert", "name both files")
        if self.timeout_s is not None:
            msgspec.structs.force_setattr(self, "limits", self.limits.changed(timeout_s=self.timeout_s))
        _ = self.matchers

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """The conditions that every query gets."""
        return tuple(parse_matcher(text) for text in self.match)

    def basic_auth(self, name: str) -> tuple[str, str] | None:
        """User and password of basic authentication; `name` is the profile's, for messages.

        Raises
        ------
        ConfigError
            The variable or the file is missing or empty.
        """
        if not self.user:
            return None
        return self.user, secret(f"password of profile {name}", self.password_env, self.password_file)

    def headers(self, name: str) -> dict[str, str]:
        """Headers that carry secrets: the token, and others; `name` is the profile's, for messages.

        Raises
        ------
        ConfigError
            A variable or the file is missing or empty.
        """
        headers = {header: secret(f"{header} of profile {name}", var) for header, var in self.header_env.items()}
        if self.token_env or self.token_file:
            token = secret(f"token of profile {name}", self.token_env, self.token_file)
            headers["Authorization"] = f"Bearer {token}"
        return headers
