"""Evidence made from counts, for judges that ask nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from meshlab.core.evidence import Evidence, Missing
from meshlab.core.results import Finding, Result
from meshlab.core.series import Query
from meshlab.core.subject import Subject
from meshlab.core.window import Window
from meshlab.questions.canary import Canary, CanarySettings

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SUBJECT = Subject("east", "shop", "catalog")
SETTINGS = CanarySettings(service="catalog", baseline="v1", canary="v2")
EDGES = np.array([5.0, 10.0, 25.0, 50.0, 100.0, 250.0, np.inf])
MakeEvidence = Callable[..., Evidence]


def judge(evidence: Evidence, settings: CanarySettings = SETTINGS, **changes: object) -> Result:
    """The result on evidence about one service."""
    return Canary().answer(evidence, settings.changed(**changes))


def finding(result: Result, code: str) -> Finding:
    """The finding of a code."""
    return next(f for f in result.findings if f.code == code)


def identity(version: str) -> dict[str, str]:
    return {
        "destination_cluster": "east",
        "destination_namespace": "shop",
        "destination_service": "catalog",
        "destination_version": version,
        "arm": version,
    }


def counts_frame(
    ok: dict[str, np.ndarray], errors: dict[str, np.ndarray], code: str = "500", block_s: int = 15
) -> pd.DataFrame:
    rows = []
    for version in ok:
        for what, values in (("200", ok[version]), (code, errors[version])):
            for block, count in enumerate(values):
                if count >= 0:  # a negative count stands for a block that was not scraped
                    rows.append({**identity(version), "code": what, "block": block, "count": int(count)})
    frame = pd.DataFrame(rows).assign(grpc_status="", flags="-")
    frame["time"] = pd.Timestamp(START) + pd.to_timedelta((frame["block"] + 1) * block_s, unit="s")
    return frame


def bucket_frame(buckets: dict[str, np.ndarray], block_s: int = 15) -> pd.DataFrame:
    rows = []
    for version, table in buckets.items():
        for block, counts in enumerate(np.cumsum(table, axis=1)):
            who = {**identity(version), "block": block}
            rows += [{**who, "le": le, "count": int(c)} for le, c in zip(EDGES, counts, strict=True)]
    frame = pd.DataFrame(rows)
    frame["time"] = pd.Timestamp(START) + pd.to_timedelta((frame["block"] + 1) * block_s, unit="s")
    return frame


def evidence_of(
    source: pd.DataFrame, destination: pd.DataFrame, latency: pd.DataFrame, blocks: int, block_s: int = 15
) -> Evidence:
    window = Window.aligned(START, START + timedelta(seconds=blocks * block_s), 15_000)
    frames = {"source": source, "destination": destination, "latency": latency}
    return Evidence(
        frames=frames,
        window=window,
        source="a test",
        subjects=(SUBJECT,),
        queries={name: Query(promql=name, engine="a test") for name in frames},
        missing={name: Missing("durations", "export them") for name in frames if frames[name].empty},
    )


@pytest.fixture
def make_evidence() -> MakeEvidence:
    """Evidence of two arms with given error shares and a slow-down, drawn with a seed."""

    def make(
        *,
        seed: int = 0,
        errors: tuple[float, float] = (0.01, 0.01),
        slower: float = 1.0,
        per_block: tuple[int, int] = (1690, 560),
        blocks: int = 40,
        code: str = "500",
    ) -> Evidence:
        rng = np.random.default_rng(seed)
        ok, bad, buckets = {}, {}, {}
        for version, n, p, factor in zip(("v1", "v2"), per_block, errors, (1.0, slower), strict=True):
            total = rng.poisson(n, blocks)
            bad[version] = rng.binomial(total, p)
            ok[version] = total - bad[version]
            times = [40 * factor * rng.lognormal(0, 0.5, t) for t in total]
            buckets[version] = np.array([np.bincount(np.searchsorted(EDGES, t), minlength=len(EDGES)) for t in times])
        frame = counts_frame(ok, bad, code)
        return evidence_of(frame, frame.copy(), bucket_frame(buckets), blocks)

    return make
