"""Findings ML-SEC-013 and 021: versions and ciphers of TLS, where proxies export them."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.rows import MOST, shown

__all__ = ["ciphers", "versions"]

_STRONG: Final = re.compile(r"TLS_(AES|CHACHA20)_.*|ECDHE-.*(GCM|CHACHA20|POLY1305).*")
"""Forward secrecy, and encryption that authenticates: what TLS 1.3 has left."""


def versions(evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-013: TLS versions of the handshakes."""
    frame = evidence.frames.get("versions", pd.DataFrame())
    frame = frame[frame["value"] > 0] if len(frame) else frame
    if frame.empty:
        lacking = evidence.missing.get("versions")
        return Finding(
            code="ML-SEC-013",
            verdict=None,
            subject=about,
            required=False,
            statement="TLS versions are not exported",
            action=lacking.remedy if lacking else "",
        )
    sums = frame.groupby("version")["value"].sum()
    old = [name for name in sums.index if name in ("SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")]
    return Finding(
        code="ML-SEC-013",
        verdict=Verdict.WARN if old else Verdict.PASS,
        subject=about,
        required=False,
        statement="handshakes since the proxies started: "
        + ", ".join(f"{int(n):,} of {shown(name)}" for name, n in sums.head(MOST).items()),
        action="set minProtocolVersion" if old else "",
        query=asked.get("versions", ""),
    )


def ciphers(evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-021: ciphers of the handshakes."""
    code, frame = "ML-SEC-021", evidence.frames.get("ciphers", pd.DataFrame())
    frame = frame[frame["value"] > 0] if len(frame) else frame
    if frame.empty:
        lacking = evidence.missing.get("ciphers")
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="TLS ciphers are not exported",
            action=lacking.remedy if lacking else "",
        )
    sums = frame.groupby("cipher")["value"].sum()
    weak = sums[[not _STRONG.fullmatch(str(name)) for name in sums.index]]
    return Finding(
        code=code,
        verdict=Verdict.WARN if len(weak) else Verdict.PASS,
        subject=about,
        required=False,
        statement="handshakes since the proxies started: "
        + ", ".join(f"{int(n):,} with {shown(name)}" for name, n in sums.head(MOST).items()),
        value=float(weak.sum()),
        threshold=0.0,
        unit="weak handshakes",
        action="name the cipherSuites that have forward secrecy and authenticate" if len(weak) else "",
        query=asked.get("ciphers", ""),
    )
