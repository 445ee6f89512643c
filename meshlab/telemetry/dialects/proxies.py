"""What proxies tell of their own retries and breakers, whichever mesh they serve."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.selector import Matcher, matches, selector
from meshlab.core.series import SeriesSet
from meshlab.telemetry import increase as rises
from meshlab.telemetry.dialects.base import ABSENT
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.signal import Signal
from meshlab.telemetry.targets import Targets

__all__ = ["COUNTERS", "GAUGES", "PLACE", "called", "increase_by_block", "proxies", "selected", "summary", "summed"]

COUNTERS: Final = (
    "sent",
    "completed",
    "retry",
    "retry_success",
    "retry_overflow",
    "retry_limit_exceeded",
    "per_try_timeout",
    "timeout",
    "pending_overflow",
    "active_overflow",
    "cx_overflow",
    "connect_fail",
    "none_healthy",
    "ejections",
)
"""What proxies count of their own: values of ``metric`` in the signal ``retries``.

A mesh that counts no retries may say ``asked`` and ``tried`` there (requests, attempts): the rest are retries.
"""

GAUGES: Final = ("cx_open", "cx_pool_open", "rq_open", "rq_pending_open", "rq_retry_open", "ejected")
"""Values of ``gauge`` in the signal ``breakers``."""

PLACE: Final = ("source_namespace", "source", "destination_namespace", "destination_service")
"""Who calls whom: the dimensions of the frames."""

_CALLED: Final = (*PLACE[2:], "destination_host")
"""The dimensions that say who is called."""

_PROXY: Final = Column(("pod", "pod_name", "kubernetes_pod_name", "instance"))
_KUBERNETES: Final = r"(?s)^(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(?:\..*)?$"


def selected(dialect: Dialect, name: str, *matchers: Matcher) -> str:
    """Selector of all series of a signal at once: together they tell since when a proxy was scraped."""
    signals = dialect.signals[name]
    names = [m.value for signal in signals for m in signal.matchers if m.name == "__name__"]
    names += [signal.metric for signal in signals if signal.metric]
    return selector("", matches("__name__", "|".join(names)), *matchers, forced=dialect.options.forced)


def summed(dialect: Dialect, metric: str, length: str) -> list[tuple[Signal, str]]:
    """Expressions: how much a counter (one of `COUNTERS`, ``asked`` or ``tried``) rose in a time, by who is called."""
    found = []
    for signal in dialect.signals.get("retries", ()):
        spelling = signal.columns["metric"].spelling if "metric" in signal.columns else {}
        names = [name for name, what in spelling.items() if what == metric]
        names += [signal.metric] if signal.constants.get("metric") == metric else []
        labels = dict.fromkeys(label for c in _CALLED if c in signal.columns for label in signal.columns[c].reads)
        for name in names:
            matchers = [m for m in signal.matchers if not (name and m.name == "__name__")]
            counters = selector(name, *matchers, forced=dialect.options.forced)
            found.append((signal, f"sum by ({', '.join(labels)}) (increase({counters}[{length}]))"))
    return found


def called(signal: Signal, labels: pd.DataFrame) -> pd.DataFrame:
    """Who is called, of the labels that `summed` keeps: ``destination_namespace`` and ``destination_service``."""
    return _by_host(signal.named(labels, _CALLED))[list(PLACE[2:])]


def increase_by_block(targets: Targets, dialect: Dialect, workloads: pd.Series[str], grid: BlockGrid) -> Counts:
    """How much each counter rose, in blocks of time.

    Parameters
    ----------
    targets : Targets
        Of the series of `selected`, each counter once, with the look-back before the grid.
    dialect : Dialect
    workloads : Series of str
        The workload of each proxy, indexed by its name (pod or instance).
    grid : BlockGrid

    Returns
    -------
    Counts
        By `PLACE` and ``metric`` (one of `COUNTERS`). A counter that was scraped and stood still has zeros; one that
        was not scraped has no row.
    """
    labels = _named(targets.raw.labels, dialect, "retries", "metric", workloads)
    keep = (labels["metric"] != "").to_numpy(np.bool_)
    return _with_retries(rises.increase_by_block(targets, labels, grid, keep=keep, quantity="value"))


def _with_retries(counts: Counts) -> Counts:
    """Retries where a proxy counts requests and attempts, and no retries: the one less the other."""
    asked, tried = (counts.select(metric=name).wide(PLACE).astype(np.float64) for name in ("asked", "tried"))
    kept = counts.select(~counts.labels["metric"].isin(["asked", "tried"]))
    own = pd.MultiIndex.from_frame(kept.select(metric="retry").labels[list(PLACE)])
    made = (tried - asked).clip(lower=0)
    made = made[~made.index.isin(own)]
    row, block = np.nonzero(np.isfinite(made.to_numpy()))
    labels = made.index.to_frame(index=False).assign(metric="retry")
    more = Counts.of(labels, row, block, made.to_numpy()[row, block], counts.grid, quantity=counts.quantity)
    # A new outbound service is called under the name of none known: the row stays, with what is known of it.
    return Counts.joined([kept, more], counts.query)


def summary(raw: SeriesSet, dialect: Dialect, workloads: pd.Series[str], grid: BlockGrid) -> pd.DataFrame:
    """At how many scrapes each gauge was above zero, and when.

    Parameters
    ----------
    raw : SeriesSet
        The series of `selected`.
    dialect : Dialect
    workloads : Series of str
        The workload of each proxy, indexed by its name (pod or instance).
    grid : BlockGrid

    Returns
    -------
    DataFrame
        `PLACE`, ``gauge`` (one of `GAUGES`), ``block`` and ``blocks`` (the first, and how many: neighbouring blocks in
        which it was above zero at some scrape are one row, and so are those in which it never was), ``scrapes``,
        ``open`` (how many of these saw it above zero) and ``most``.
    """
    groups = _named(raw.labels, dialect, "breakers", "gauge", workloads)
    block = grid.block_of(raw.time.astype(np.int64))
    inside = (block >= 0) & np.isfinite(raw.value)
    frame = groups.iloc[raw.sid[inside]].reset_index(drop=True)
    frame["block"], frame["value"] = block[inside], raw.value[inside]
    frame["above"] = frame["value"] > 0
    keys = [*PLACE, "gauge"]
    each = frame.groupby([*keys, "block"], sort=True)
    table = each.agg(scrapes=("value", "size"), open=("above", "sum"), most=("value", "max")).reset_index()
    # Runs of blocks: most gauges stand at zero for hours.
    number = table.groupby(keys, sort=False).ngroup()
    same = (number == number.shift()) & (table["block"] == table["block"].shift() + 1)
    same &= (table["open"] > 0) == (table["open"].shift() > 0)
    table["run"], table["blocks"] = (~same).cumsum(), 1
    wanted = dict.fromkeys([*keys, "block"], "first") | dict.fromkeys(["blocks", "scrapes", "open"], "sum")
    made: pd.DataFrame = table.groupby("run", sort=True).agg(wanted | {"most": "max"}).reset_index(drop=True)
    return made


def proxies(labels: pd.DataFrame) -> pd.Series[str]:
    """The name of the proxy behind each series."""
    return _PROXY.values(labels, "proxy")


def _named(labels: pd.DataFrame, dialect: Dialect, name: str, what: str, workloads: pd.Series[str]) -> pd.DataFrame:
    """`PLACE` and what each series tells; the empty text where no part of the signal claims it."""
    columns = (*PLACE, "destination_host", what)
    named = pd.DataFrame("", labels.index, list(columns), dtype=str)
    for signal in dialect.signals.get(name, ()):
        mine = signal.mask(labels)
        named.loc[mine] = signal.named(labels[mine], columns)
    proxy = proxies(labels)
    kind = named["source"]
    source = proxy.map(workloads).astype(object).where(proxy.isin(workloads.index), kind.where(kind != "", proxy))
    return _by_host(named).assign(source=source.astype(str).replace(list(ABSENT), ""))[[*PLACE, what]]


def _by_host(named: pd.DataFrame) -> pd.DataFrame:
    """The called service and its namespace, by the host where that tells them."""
    host = named["destination_host"]
    in_kubernetes = host.str.extract(_KUBERNETES).fillna("")
    service, namespace = (in_kubernetes[part] for part in ("service", "namespace"))
    service = service.where(service != "", host)
    return named.assign(
        destination_service=service.where(service != "", named["destination_service"]),
        destination_namespace=namespace.where(namespace != "", named["destination_namespace"]),
    )
