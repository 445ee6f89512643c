"""A report's summary with a finding of every word, as `result.json` holds it."""

from __future__ import annotations

from typing import Any

__all__ = ["finding", "summary"]


def finding(code: str, verdict: str, statement: str = "said", *, required: bool = True) -> dict[str, Any]:
    return {"code": code, "verdict": verdict, "statement": statement, "subject": "s", "required": required}


def summary(verdict: str = "FAIL", **more: Any) -> dict[str, Any]:
    findings = [
        finding("ML-X-001", "PASS"),
        finding("ML-X-002", "WARN", required=False),
        finding("ML-X-003", "FAIL"),
        finding("ML-X-004", "NOT_MEASURED", required=False),
        finding("ML-X-005", "WARN"),
    ]
    base = {"question": "canary", "subject": "a/b/c", "verdict": verdict, "headline": "Roll back", "window": "w"}
    return {**base, "source": "prod", "findings": findings, **more}
