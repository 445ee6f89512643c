"""Secrets kept out of messages, whoever wrote them: a server may repeat what it was sent."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from meshlab.errors import EngineError

__all__ = ["Redactor"]

_SECRET_HEADERS: Final = ("auth", "cookie", "key", "secret", "token")
"""The values of these are hidden however short they are; of others when they are longer than `_TELLING`."""
_TENANTS: Final = ("x-scope-orgid", "thanos-tenant")
"""A tenant's name is hidden as a whole: its beginning may be that of a host."""
_TELLING: Final = 6
"""So many characters of a secret's beginning or end are hidden too: a message may have been cut inside it."""


class Redactor:
    """Replaces a connection's secrets in texts by ``***``.

    Parameters
    ----------
    auth : (user, password), requests.auth.AuthBase or None
    headers : mapping
    """

    def __init__(self, auth: object, headers: Mapping[str, str]) -> None:
        self._secrets = _secrets(auth, headers)
        named = {name: value for name, value in headers.items() if name.lower() not in _TENANTS}
        self._telling = [secret for secret in _secrets(auth, named) if len(secret) > _TELLING]

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _without_ends(text, self._telling)

    def error(self, error: EngineError) -> EngineError:
        """The same error without the secrets."""
        return type(error)(self.text(error.what), self.text(error.hint))


def _secrets(auth: object, headers: Mapping[str, str]) -> list[str]:
    """What must not appear in a message, as sent and as a server may write it, the longest first."""
    secrets = set()
    if isinstance(auth, tuple):
        secrets |= {auth[1], base64.b64encode(":".join(auth).encode()).decode()}
    elif auth is not None:
        secrets |= {value for name, value in vars(auth).items() if isinstance(value, str) and name != "username"}
    for name, value in headers.items():
        # A short tenant is a name, and would tear holes into every sentence.
        if any(word in name.lower() for word in _SECRET_HEADERS) or len(value) > _TELLING:
            secrets |= {value.split(" ", 1)[-1], value.split(" ", 1)[0] if " " not in value else ""}
    for secret in tuple(secrets):
        secrets |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret), quote(secret, safe="")}
    return sorted(filter(None, secrets), key=lambda secret: (-len(secret), secret))


def _without_ends(text: str, secrets: Sequence[str]) -> str:
    """The text without the beginnings and ends of secrets, which stay where a message was cut inside one."""
    for _ in range(2):
        while found := [(text.find(secret[:_TELLING]), secret) for secret in secrets if secret[:_TELLING] in text]:
            at, most = max((_shared(text[at:], secret), at) for at, secret in found)[::-1]
            text = f"{text[:at]}***{text[at + most :]}"
        # Ends are beginnings of what is written from right to left.
        text, secrets = text[::-1], [secret[::-1] for secret in secrets]
    return text


def _shared(one: str, other: str) -> int:
    """With how many equal characters two texts begin."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
