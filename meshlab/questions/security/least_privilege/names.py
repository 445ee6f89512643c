"""What may stand in a policy: names as Kubernetes and SPIFFE define them, and comments that cannot break out."""

from __future__ import annotations

import re
from typing import Final

from meshlab.core.sanitize import plain

__all__ = ["bare", "comment", "is_label_key", "is_label_value", "is_namespace", "is_principal", "is_workload"]

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_NAMESPACE: Final = re.compile(_LABEL)
_WORKLOAD: Final = re.compile(_DOMAIN)
_PRINCIPAL: Final = re.compile(rf"[a-z0-9](?:[a-z0-9._-]{{0,253}}[a-z0-9])?/ns/{_LABEL}/sa/{_DOMAIN}")
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY: Final = re.compile(rf"(?:{_DOMAIN}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?")
# A policy is named after its workload, and 253 characters are all that a name may have.
_MOST_WORKLOAD: Final = 230
_MOST_NAME: Final = 253
_MOST_COMMENT: Final = 200
_SCHEME: Final = "spiffe://"


def bare(principal: str) -> str:
    """A principal as AuthorizationPolicy wants it: without the scheme."""
    return principal.removeprefix(_SCHEME)


def is_principal(text: str) -> bool:
    """Whether it is ``<trust domain>/ns/<namespace>/sa/<account>``; wildcards are not."""
    return bool(_PRINCIPAL.fullmatch(text)) and len(text.rpartition("/")[2]) <= _MOST_NAME


def is_namespace(text: str) -> bool:
    """Whether Kubernetes takes it as a namespace's name."""
    return bool(_NAMESPACE.fullmatch(text))


def is_workload(text: str) -> bool:
    """Whether Kubernetes takes it as a workload's name, and a policy can be named after it."""
    return bool(_WORKLOAD.fullmatch(text)) and len(text) <= _MOST_WORKLOAD


def is_label_key(text: str) -> bool:
    """Whether it can be the key of a label."""
    return bool(_KEY.fullmatch(text))


def is_label_value(text: str) -> bool:
    """Whether it can be the value of a label, and selects something."""
    return bool(_VALUE.fullmatch(text))


def comment(text: object) -> str:
    """One line of ASCII: what YAML takes for a line's end, or refuses to read at all, is spelled out."""
    line = plain(text).encode("ascii", "backslashreplace").decode()
    return "# " + (line if len(line) <= _MOST_COMMENT else line[:_MOST_COMMENT] + "...")
