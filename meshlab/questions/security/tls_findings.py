"""Finding ML-SEC-013: versions of TLS."""

from __future__ import annotations

from meshlab.escape import plain
from meshlab.evidence import Evidence
from meshlab.results import Finding, Verdict

__all__ = ["versions"]


def versions(evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-013: TLS versions of the handshakes."""
    frame = evidence.frames["versions"]
    frame = frame[frame["value"] > 0] if len(frame) else frame
    if frame.empty:
        lacking = evidence.missing.get("versions")
        return Finding(
            code="ML-SEC-013",
            verdict=None,
            subject=about,
            required=False,
            statement="TLS versions are not exported",
            advice=lacking.remedy if lacking else "",
        )
    sums = frame.groupby("version")["value"].sum()
    old = [name for name in sums.index if name in ("SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")]
    return Finding(
        code="ML-SEC-013",
        verdict=Verdict.WARN if old else Verdict.PASS,
        subject=about,
        required=False,
        statement="handshakes: " + ", ".join(f"{int(n):,} of {plain(name)}" for name, n in sums.items()),
        advice="set minProtocolVersion" if old else "",
        query=asked.get("versions", ""),
    )
