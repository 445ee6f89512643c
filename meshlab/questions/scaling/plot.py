"""The scaling question's figures, drawn from its result alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshlab.core.results import Finding, Result
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, is_empty, legend, show_time
from meshlab.display.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["autoscaler", "capacity_curve", "supply", "windows"]

_GREY: Final = "#555555"
_BLACK: Final = "#333333"


def capacity_curve(result: Result) -> Figure:
    """Throughput of a replica against its concurrency, the fitted curve, and the saturation point's range."""
    points, curve = result.tables["points"], result.tables["curve"]
    knee = _finding(result, "ML-SCA-001")
    with figure(f"Requests a second of a replica against its concurrency. {_statement(result, knee)}") as (fig, ax):
        if is_empty(ax, curve):
            return fig
        points = points[(points["concurrency"] > 0) & (points["throughput"] > 0)]
        style: dict[str, Any] = {"color": BLUE, "alpha": 0.25, "markersize": 4, "label": "one interval"}
        ax.plot(points["concurrency"], points["throughput"], "o", **style)
        n, limit = curve["concurrency"].to_numpy(np.float64), curve["capacity"].to_numpy(np.float64)
        if np.all(np.isfinite(limit)):
            # The limit starts where the slope before it reaches the height of the plateau.
            slope = limit[0] / n[0]
            corners = np.array([n[0], limit[-1] / slope, n[-1]])
            ax.plot(
                corners, np.minimum(corners * slope, limit[-1]), color=ORANGE, linewidth=2, label="concurrency limit"
            )
        else:
            ax.fill_between(n, curve["low"], curve["high"], color=ORANGE, alpha=0.2, linewidth=0)
            ax.plot(n, curve["law"], color=ORANGE, linewidth=2, label="Universal Scalability Law")
        ax.plot(n, curve["throughput"], "s", color=_BLACK, markersize=5, label="medians")
        if knee is not None and knee.value is not None and knee.interval is not None:
            ax.axvspan(*knee.interval, color=_GREY, alpha=0.15, linewidth=0)
            ax.axvline(knee.value, color=_BLACK, linestyle="--", linewidth=1.2)
            at = (knee.value, 0.02)
            ax.annotate(f"saturation {number(knee.value)}", at, xycoords=("data", "axes fraction"), rotation=90)
        # On these axes every line through the origin has the same slope: whatever flattens is a limit.
        ax.set_xscale("log")
        ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "25" else "")
        ax.set_xlabel("concurrent requests in one replica")
        ax.set_ylabel("successful answers a second")
        ax.legend(frameon=False)
    return fig


def supply(result: Result) -> Figure:
    """Ready replicas against what the traffic needed."""
    moments = result.tables["supply"]
    alt = f"Ready replicas and replicas that the traffic needed, over time. {_statement(result, 'ML-SCA-004')}"
    with figure(alt) as (fig, ax):
        if is_empty(ax, moments):
            return fig
        time = moments["time"]
        low, high = moments["needed_low"], moments["needed_high"]
        ax.fill_between(time, low, high, color=ORANGE, alpha=0.25, step="pre", linewidth=0)
        ax.step(time, moments["needed"], where="pre", color=ORANGE, linewidth=2, label="needed")
        ax.step(time, moments["ready"], where="pre", color=BLUE, linewidth=2, linestyle="-.", label="ready")
        ax.set_ylim(bottom=0)
        _finish(ax, "replicas")
        show_time(ax)
    return fig


def autoscaler(result: Result) -> Figure:
    """What the metrics asked for, what was decided, and the scale-downs that were reversed."""
    history = result.tables["replayed"]
    alt = f"Replicas that metrics asked for and the autoscaler decided, over time. {_statement(result, 'ML-SCA-005')}"
    with figure(alt) as (fig, ax):
        if is_empty(ax, history):
            return fig
        top = float(history["desired"].max()) + 1.5
        shown = history["recommended"].clip(upper=top)
        ax.plot(history["time"], shown, "o", color=ORANGE, markersize=4, label="metrics asked for")
        ax.step(history["time"], history["desired"], where="post", color=BLUE, linewidth=2, label="decided")
        unexplained = history[~history["explained"]]
        if len(unexplained):
            ax.plot(
                unexplained["time"], unexplained["desired"], "x", color="black", markersize=8, label="not explained"
            )
        for row in result.tables["reversals"].itertuples(index=False):
            ax.axvspan(row.down, row.up, color=_GREY, alpha=0.2, linewidth=0)  # type: ignore[arg-type]
        if (history["recommended"] > top).any():
            ax.annotate("more", (0.0, top), xycoords=("axes fraction", "data"), color=ORANGE, va="bottom")
        ax.set_ylim(0, top + 0.5)
        _finish(ax, "replicas")
        show_time(ax)
    return fig


def windows(result: Result) -> Figure:
    """Other stabilization windows, simulated with the same traffic."""
    table, flapping = result.tables["what_if"], _finding(result, "ML-SCA-005")
    outcome = flapping.action if flapping is not None and len(table) else "Nothing was simulated."
    with figure(f"Simulated reversals and replicas by scale-down stabilization window. {outcome}") as (fig, ax):
        if is_empty(ax, table):
            return fig
        ax.plot(table["window_s"], table["reversals"], "o-", color=ORANGE, label="reversals per run")
        ax.plot(table["window_s"], table["replicas"], "s-.", color=BLUE, label="mean replicas")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("scale-down stabilization window (s)")
        _finish(ax)
    return fig


def _finding(result: Result, code: str) -> Finding | None:
    """None where required evidence is missing, and nothing else was judged."""
    return next((finding for finding in result.findings if finding.code == code), None)


def _statement(result: Result, finding: Finding | str | None) -> str:
    finding = _finding(result, finding) if isinstance(finding, str) else finding
    return finding.statement if finding else result.headline


def _finish(ax: Axes, ylabel: str = "") -> None:
    ax.set_ylabel(ylabel)
    legend(ax)
