"""Findings ML-SEC-013 and 021: versions and ciphers of TLS, where proxies export them."""

from __future__ import annotations

import re
from typing import Any, Final

from meshlab.core.results import Finding
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, shown

__all__ = ["ciphers", "versions"]

_RECENT: Final = re.compile(r"(?!(SSLv3|TLSv1(\.[01])?)$).*")
_STRONG: Final = re.compile(r"TLS_(AES|CHACHA20)_.*|ECDHE-.*(GCM|CHACHA20|POLY1305).*")
"""Forward secrecy, and encryption that authenticates: what TLS 1.3 has left."""


def versions(case: Case) -> Finding:
    """ML-SEC-013: TLS versions of the handshakes."""
    return _judged(case, "013", "versions", "old", _RECENT, "Set `minProtocolVersion` to TLSv1_2 or later.")


def ciphers(case: Case) -> Finding:
    """ML-SEC-021: ciphers of the handshakes."""
    action = "Set `cipherSuites` to those with forward secrecy and authenticated encryption."
    return _judged(case, "021", "ciphers", "weak", _STRONG, action, unit="weak handshakes")


def _judged(
    case: Case, number: str, need: str, word: str, good: re.Pattern[str], action: str, unit: str = ""
) -> Finding:
    frame = case.frame(need)
    if not len(frame) or not (frame["value"] > 0).any():
        return case.not_measured(number, f"tls.{need}", f"TLS {need} are not exported.", need=need)
    sums = frame[frame["value"] > 0].groupby(need.removesuffix("s"))["value"].sum()
    bad = sums[[not good.fullmatch(str(name)) for name in sums.index]]
    kinds = ", ".join(f"{int(n):,} with {shown(name)}" for name, n in sums.head(MOST).items())
    statement = f"Handshakes since the proxies started: {kinds}."
    numbers: dict[str, Any] = {"value": float(bad.sum()), "threshold": 0.0, "unit": unit} if unit else {}
    return case.warn_if(len(bad), number, f"tls.{need}.{word}", statement, action=action, query=need, **numbers)
