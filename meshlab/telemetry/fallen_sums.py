"""Sums of counters that fell, where the store itself adds up: PromQL's increase counts what is left as new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.selector import Matcher, exactly
from meshlab.core.times import format_duration
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.stats.counters import lost_parts
from meshlab.telemetry.increase import LOST_PARTS
from meshlab.telemetry.targets import PODS

__all__ = ["fallen_sums"]

_FOLLOWED: Final = 6


def fallen_sums(
    engine: Engine, labels: pd.DataFrame, metric: str, selected: str, span: Span, forced: Sequence[Matcher] = ()
) -> str:
    """What to say of totals that a store sums up from counters which are sums themselves; empty as a rule.

    One small query where no counter names a pod, and the samples of a few counters where some fell.

    Parameters
    ----------
    engine : Engine
    labels : DataFrame
        Of `replicas.largest`: a counter of one pod is no sum over pods.
    metric, selected : str
        The counters' name, and their selector.
    span : Span
    forced : sequence of Matcher
        What must stand in every selector.
    """
    if not len(labels) or any((labels[name] != "").any() for name in PODS if name in labels):
        return ""
    often = f"topk({_FOLLOWED}, resets({selected}[{format_duration(span.duration_ms)}]) > 0)"
    lost = 0
    for row in engine.query(often, span.end).labels.to_dict("records"):
        one = exactly({**row, "__name__": metric}, forced=forced)
        raw = engine.samples(one, span.with_lead(LOOKBACK_MS))
        time = raw.time.astype("datetime64[ms]").view(np.int64)
        lost += len(lost_parts(raw.sid, time, raw.value, np.zeros(len(raw), np.int64)))
    if not lost:
        return ""
    return f"{LOST_PARTS}: totals by increase() count what is left of it as new requests"
