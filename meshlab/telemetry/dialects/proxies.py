"""What proxies say of their own retries: one set of names, whichever mesh's proxy speaks.

Envoy: envoyproxy.io, "Cluster manager: statistics" and "Router". Istio's bootstrap tags clusters ``cluster_name``, a
plain Envoy ``envoy_cluster_name``. Linkerd: linkerd2-proxy, linkerd/http/retry; linkerd.io, "Proxy Metrics".
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.selector import Matcher, matches, selector
from meshlab.core.series import SeriesSet
from meshlab.telemetry import increase as rises
from meshlab.telemetry.dialects.base import ABSENT

__all__ = ["COUNTERS", "GAUGES", "PLACE", "counters", "gauges", "increase_by_block", "proxies", "summary"]

_ENVOY: Final = {
    "upstream_rq_total": "sent",
    "upstream_rq_completed": "completed",
    "upstream_rq_retry": "retry",
    "upstream_rq_retry_success": "retry_success",
    "upstream_rq_retry_overflow": "retry_overflow",
    "upstream_rq_retry_limit_exceeded": "retry_limit_exceeded",
    "upstream_rq_per_try_timeout": "per_try_timeout",
    "upstream_rq_timeout": "timeout",
    "upstream_rq_pending_overflow": "pending_overflow",
    "upstream_rq_active_overflow": "active_overflow",
    "upstream_cx_overflow": "cx_overflow",
    "upstream_cx_connect_fail": "connect_fail",
    "upstream_cx_none_healthy": "none_healthy",
    "outlier_detection_ejections_enforced_total": "ejections",
}
_LINKERD: Final = {
    "requests": "retry",
    "successes": "retry_success",
    "limit_exceeded": "retry_limit_exceeded",
    "overflow": "retry_overflow",
}
# What Linkerd's callers asked for, and how often they tried: by service profiles, and by the route API.
_ROUTES: Final = {"route_request_total": "asked", "route_actual_request_total": "tried"} | {
    f"outbound_{kind}_route_{name}_total": what
    for kind in ("http", "grpc")
    for name, what in (("request_statuses", "asked"), ("backend_response_statuses", "tried"))
}
_RETRYABLE: Final = "route_retryable_total"
_NO_ATTEMPT: Final = ("FAIL_FAST", "LOAD_SHED")
"""Errors of requests that Linkerd's proxy gave up before it sent them anywhere."""

_NAMES: Final = {f"envoy_cluster_{name}": what for name, what in _ENVOY.items()} | {
    f"outbound_{kind}_route_retry_{name}_total": what for kind in ("http", "grpc") for name, what in _LINKERD.items()
}
_OPEN: Final = r"envoy_cluster_circuit_breakers_(default|high)_(cx|cx_pool|rq|rq_pending|rq_retry)_open"
_EJECTED: Final = "envoy_cluster_outlier_detection_ejections_active"

_OWN: Final = (
    "__name__|(envoy_)?cluster_name|envoy_.*|(parent|route|backend|rt|dst)(_.*)?|hostname|direction|skipped|error|"
    "classification|status(_code)?|(http|grpc)_status(_code)?"
)
"""Labels that the proxies set themselves, and no scraper."""

_NO_EDGE: Final = r"(?:InboundPassthroughCluster|BlackHoleCluster|xds-grpc$|sds-grpc$|agent$|prometheus_stats$)"

COUNTERS: Final = tuple(dict.fromkeys(_NAMES.values()))
"""What is counted, in this house's words."""

GAUGES: Final = ("cx_open", "cx_pool_open", "rq_open", "rq_pending_open", "rq_retry_open", "ejected")

PLACE: Final = ("source_namespace", "source", "destination_namespace", "destination_service")
"""Who calls whom: the words of the frames."""


def counters(forced: tuple[Matcher, ...]) -> str:
    """Selector of all counters of `COUNTERS`."""
    return selector("", matches("__name__", "|".join((*_NAMES, *_ROUTES, _RETRYABLE))), forced=forced)


def gauges(forced: tuple[Matcher, ...]) -> str:
    """Selector of breakers that are open and of hosts that are ejected."""
    return selector("", matches("__name__", f"{_OPEN}|{_EJECTED}"), forced=forced)


def increase_by_block(raw: SeriesSet, workloads: pd.Series[str], grid: BlockGrid) -> Counts:
    """How much each counter rose, in blocks of time.

    Parameters
    ----------
    raw : SeriesSet
        Of `counters`, with the look-back before the grid.
    workloads : Series of str
        The workload of each proxy, indexed by its name (pod or instance).
    grid : BlockGrid

    Returns
    -------
    Counts
        By `PLACE` and ``metric`` (one of `COUNTERS`). A counter that was scraped and stood still has zeros; one that
        was not scraped has no row.
    """
    labels = _named(raw, workloads).assign(metric=_metric(raw.labels))
    # Two scrapers of one proxy would count twice: what a proxy says of one thing is taken once.
    proxy = proxies(raw.labels)
    own = raw.labels[[name for name in raw.labels if re.fullmatch(_OWN, str(name))]]
    once = ~pd.concat([labels, own.set_axis(labels.index).assign(proxy=proxy)], axis=1).duplicated()
    keep = (once & (labels["metric"] != "")).to_numpy(np.bool_)
    target = pd.factorize(proxy)[0].astype(np.int64)
    return _with_retries(rises.increase_by_block(raw, labels, target, grid, keep=keep, quantity="value"))


def _metric(labels: pd.DataFrame) -> pd.Series[str]:
    """What each series counts; empty for what is not used."""
    if "__name__" not in labels:
        return pd.Series("", labels.index, dtype=str)
    name = labels["__name__"].astype(str)
    metric = name.map(_NAMES | _ROUTES).fillna("").astype(str)
    refused = (name == _RETRYABLE) & (_first(labels, ("skipped",)) == "no_budget")
    metric = metric.where(~refused, "retry_overflow")
    # The called side counts the routes of service profiles again.
    again = name.str.startswith("route_") & (_first(labels, ("direction",)) == "inbound")
    unsent = (metric == "asked") & _first(labels, ("error",)).isin(_NO_ATTEMPT)
    kept: pd.Series[str] = metric.where(~again & ~unsent, "")
    return kept


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


def summary(raw: SeriesSet, workloads: pd.Series[str], grid: BlockGrid) -> pd.DataFrame:
    """At how many scrapes each gauge was above zero, and when.

    Parameters
    ----------
    raw : SeriesSet
        Of `gauges`.
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
    groups = _named(raw, workloads)
    name = raw.labels["__name__"] if len(raw) else pd.Series("", groups.index, dtype=str)
    short = name.str.replace(r"envoy_cluster_circuit_breakers_(default|high)_", "", regex=True)
    groups["gauge"] = short.where(name != _EJECTED, "ejected")
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
    return _first(labels, ("pod", "pod_name", "kubernetes_pod_name", "instance"))


def _first(labels: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[str]:
    found = pd.Series("", labels.index, dtype=str)
    for name in names:
        if name in labels:
            found = found.where(found != "", labels[name].astype(str))
    return found


def _named(raw: SeriesSet, workloads: pd.Series[str]) -> pd.DataFrame:
    labels = raw.labels
    proxy = proxies(labels)
    kinds = _first(labels, ("deployment", "statefulset", "daemonset"))
    source = proxy.map(workloads).astype(object).where(proxy.isin(workloads.index), kinds.where(kinds != "", proxy))
    cluster = _first(labels, ("envoy_cluster_name", "cluster_name"))
    # Linkerd's service profiles name the authority, with its port.
    cluster = cluster.where(cluster != "", _first(labels, ("dst",)).str.replace(r":\d+$", "", regex=True))
    # Istio writes direction|port|subset|host; plain Envoy's clusters bear whatever name they were given.
    parts = cluster.str.extract(r"(?s)^(?P<way>[^|]*)\|\d*\|[^|]*\|(?P<host>.*)$").fillna("")
    host = parts["host"].where(parts["host"] != "", cluster)
    names = host.str.extract(r"(?s)^(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(\..*)?$").fillna("")
    service = names["service"].where(names["service"] != "", host)
    parent = _first(labels, ("parent_name",))
    space = _first(labels, ("parent_namespace",))
    frame = pd.DataFrame(
        {
            "source_namespace": _first(labels, ("namespace",)),
            "source": source.astype(str),
            "destination_namespace": names["namespace"].where(names["namespace"] != "", space),
            "destination_service": service.where(service != "", parent),
        },
        index=labels.index,
    )
    frame = frame.replace(list(ABSENT), "")
    # What comes in is the pod's own business, and so is what a sidecar asks its control plane: no edges.
    own = (parts["way"] == "inbound") | cluster.str.match(_NO_EDGE)
    frame.loc[own, "destination_service"] = ""
    return frame
