"""Other evidence that the same two versions could have given: what a verdict's odds are measured with."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence

__all__ = ["resample"]

_MEASURED = {"code", "grpc_status", "flags", "le", "block", "time", "count"}


def resample(evidence: Evidence, rng: np.random.Generator) -> Evidence:
    """Draw evidence anew at each version's own rates.

    Requests of a block are Poisson around the version's mean; their outcomes and durations are drawn from the version's
    shares over the whole window (a parametric bootstrap). Blocks that were not scraped stay missing.

    Parameters
    ----------
    evidence : Evidence
        What `collect` returned.
    rng : numpy.random.Generator

    Returns
    -------
    Evidence
        The same blocks, other counts.
    """
    frames = {
        "source": _redraw(evidence.frames["source"], ["code", "grpc_status", "flags"], rng),
        "destination": _redraw(evidence.frames["destination"], ["code", "grpc_status", "flags"], rng),
        "latency": _redraw(evidence.frames["latency"], ["le"], rng, cumulative=True),
    }
    return dataclasses.replace(evidence, frames=MappingProxyType(frames))


def _redraw(
    frame: pd.DataFrame, outcome: list[str], rng: np.random.Generator, *, cumulative: bool = False
) -> pd.DataFrame:
    drawn = []
    words = [str(column) for column in frame.columns if column not in _MEASURED]
    for who, mine in frame.groupby(words, sort=True):
        table = mine.pivot_table(index="block", columns=outcome, values="count", aggfunc="sum", fill_value=0)
        counts = table.to_numpy(np.float64)
        counts = np.clip(np.diff(counts, axis=1, prepend=0.0), 0, None) if cumulative else counts
        shares = counts.sum(axis=0) / max(counts.sum(), 1.0)
        total = rng.poisson(counts.sum() / len(counts), len(counts))
        new = rng.multinomial(total, shares) if shares.sum() else np.zeros_like(counts, dtype=np.int64)
        new = np.cumsum(new, axis=1) if cumulative else new
        long = pd.DataFrame(new, table.index, table.columns).melt(ignore_index=False, value_name="count")
        long = long.reset_index()
        for word, value in zip(words, who, strict=True):
            long[word] = str(value)
        drawn.append(long)
    if not drawn:
        return frame
    ends = frame.drop_duplicates("block").set_index("block")["time"]
    joined = pd.concat(drawn, ignore_index=True)
    joined["time"] = pd.DatetimeIndex(ends.reindex(joined["block"]))
    return joined.reindex(columns=list(frame.columns))
