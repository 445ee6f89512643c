"""Findings ML-SEC-013 and 021: versions and ciphers of TLS, where proxies export them."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, shown

__all__ = ["ciphers", "versions"]

_OLD: Final = ("SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")
_STRONG: Final = re.compile(r"TLS_(AES|CHACHA20)_.*|ECDHE-.*(GCM|CHACHA20|POLY1305).*")
"""Forward secrecy, and encryption that authenticates: what TLS 1.3 has left."""


def versions(case: Case) -> Finding:
    """ML-SEC-013: TLS versions of the handshakes."""
    sums = _handshakes(case, "versions", "version")
    if sums is None:
        return case.not_measured("013", "tls.versions", "TLS versions are not exported.", need="versions")
    old = [name for name in sums.index if name in _OLD]
    return case.finding(
        "013",
        f"tls.versions.{'old' if old else 'pass'}",
        Verdict.WARN if old else Verdict.PASS,
        _listed(sums),
        action="Set `minProtocolVersion` to TLSv1_2 or later." if old else "",
        query="versions",
    )


def ciphers(case: Case) -> Finding:
    """ML-SEC-021: ciphers of the handshakes."""
    sums = _handshakes(case, "ciphers", "cipher")
    if sums is None:
        return case.not_measured("021", "tls.ciphers", "TLS ciphers are not exported.", need="ciphers")
    weak = sums[[not _STRONG.fullmatch(str(name)) for name in sums.index]]
    return case.finding(
        "021",
        f"tls.ciphers.{'weak' if len(weak) else 'pass'}",
        Verdict.WARN if len(weak) else Verdict.PASS,
        _listed(sums),
        value=float(weak.sum()),
        threshold=0.0,
        unit="weak handshakes",
        action="Set `cipherSuites` to those with forward secrecy and authenticated encryption." if len(weak) else "",
        query="ciphers",
    )


def _handshakes(case: Case, name: str, column: str) -> pd.Series[float] | None:
    frame = case.frame(name)
    frame = frame[frame["value"] > 0] if len(frame) else frame
    return None if frame.empty else frame.groupby(column)["value"].sum()


def _listed(sums: pd.Series[float]) -> str:
    kinds = ", ".join(f"{int(n):,} with {shown(name)}" for name, n in sums.head(MOST).items())
    return f"Handshakes since the proxies started: {kinds}."
