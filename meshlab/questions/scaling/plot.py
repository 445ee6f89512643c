"""The scaling question's figures, drawn from its result alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from meshlab.core.results import Finding, Result
from meshlab.display.figures import BASELINE, CANARY, Figure, figure, show_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["autoscaler", "capacity_curve", "supply", "windows"]

_GREY: Final = "#555555"


def _finding(result: Result, code: str) -> Finding:
    return next(f for f in result.findings if f.code == code)


def capacity_curve(result: Result) -> Figure:
    """Throughput of one copy against what it had in flight, the fitted curve, and the knee's range."""
    points, curve = result.tables["points"], result.tables["curve"]
    knee = _finding(result, "ML-SCA-001")
    with figure(f"Requests a second of one copy against its requests in flight. {knee.statement}.") as (fig, ax):
        if _empty(ax, curve):
            return fig
        shown = points[(points["concurrency"] > 0) & (points["throughput"] > 0)]
        ax.plot(
            shown["concurrency"], shown["throughput"], "o", color=BASELINE, alpha=0.25, markersize=4, label="a block"
        )
        limit = curve["capacity"].to_numpy(np.float64)
        if np.all(np.isfinite(limit)):
            corner = np.r_[curve["concurrency"].iloc[0], _corner(curve), curve["concurrency"].iloc[-1]]
            height = np.minimum(corner, _corner(curve)) * limit[0] / float(curve["concurrency"].iloc[0])
            ax.plot(corner, height, color=CANARY, linewidth=2, label="a limit of places")
        else:
            ax.fill_between(curve["concurrency"], curve["low"], curve["high"], color=CANARY, alpha=0.2, linewidth=0)
            ax.plot(curve["concurrency"], curve["law"], color=CANARY, linewidth=2, label="Universal Scalability Law")
        ax.plot(curve["concurrency"], curve["throughput"], "s", color="#333333", markersize=5, label="medians")
        if knee.value is not None and knee.interval is not None:
            ax.axvspan(*knee.interval, color=_GREY, alpha=0.15, linewidth=0)
            ax.axvline(knee.value, color="#333333", linestyle="--", linewidth=1.2)
            ax.annotate(f"knee {knee.value:.3g}", (knee.value, 0.02), xycoords=("data", "axes fraction"), rotation=90)
        # On these axes every straight line through nothing has one slope: what bends is a limit.
        ax.set_xscale("log")
        ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "25" else "")
        ax.set_xlabel("requests in flight in one copy")
        ax.set_ylabel("good answers a second")
        ax.legend(frameon=False)
    return fig


def supply(result: Result) -> Figure:
    """Ready copies against what the traffic needed."""
    moments = result.tables["supply"]
    found = _finding(result, "ML-SCA-004")
    with figure(f"Copies that were ready and copies that the traffic needed, over time. {found.statement}.") as (
        fig,
        ax,
    ):
        if _empty(ax, moments):
            return fig
        time = moments["time"]
        ax.fill_between(
            time, moments["needed_low"], moments["needed_high"], color=CANARY, alpha=0.25, step="pre", linewidth=0
        )
        ax.step(time, moments["needed"], where="pre", color=CANARY, linewidth=2, label="needed")
        ax.step(time, moments["ready"], where="pre", color=BASELINE, linewidth=2, linestyle="-.", label="ready")
        ax.set_ylim(bottom=0)
        ax.set_ylabel("copies")
        ax.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
        show_time(ax)
    return fig


def autoscaler(result: Result) -> Figure:
    """What the metric asked for, what was decided, and the scale-downs that were undone."""
    history, back = result.tables["replayed"], result.tables["reversals"]
    found = _finding(result, "ML-SCA-005")
    with figure(f"What the autoscaler's metric asked for and what it decided, over time. {found.statement}.") as (
        fig,
        ax,
    ):
        if _empty(ax, history):
            return fig
        top = float(history["desired"].max())
        asked = np.minimum(history["recommended"].to_numpy(np.float64), top + 1.5)
        ax.plot(history["time"], asked, "o", color=CANARY, markersize=4, label="the metric asked for")
        ax.step(history["time"], history["desired"], where="post", color=BASELINE, linewidth=2, label="decided")
        odd = history[~history["explained"].astype(bool)]
        if len(odd):
            ax.plot(odd["time"], odd["desired"], "x", color="black", markersize=8, label="not explained")
        for row in back.itertuples(index=False):
            ax.axvspan(row.down, row.up, color=_GREY, alpha=0.2, linewidth=0)  # type: ignore[arg-type]
        if np.nanmax(history["recommended"].to_numpy(np.float64), initial=0.0) > top + 1.5:
            ax.annotate("more", (0.0, top + 1.5), xycoords=("axes fraction", "data"), color=CANARY, va="bottom")
        ax.set_ylim(0, top + 2)
        ax.set_ylabel("copies")
        ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
        show_time(ax)
    return fig


def windows(result: Result) -> Figure:
    """What other stabilisation windows would have come to, with the same traffic."""
    table = result.tables["what_if"]
    found = _finding(result, "ML-SCA-005")
    said = found.action if len(table) else "Nothing was simulated"
    with figure(f"Reversals and copies by the length of the window on the way down, simulated. {said}.") as (fig, ax):
        if _empty(ax, table):
            return fig
        ax.plot(table["window_s"], table["reversals"], "o-", color=CANARY, label="reversals in a run")
        ax.plot(table["window_s"], table["replicas"], "s-.", color=BASELINE, label="copies in the mean")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("stabilisation window on the way down (s)")
        ax.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return fig


def _corner(curve: pd.DataFrame) -> float:
    """Where the limit begins: the height of the plain over the slope before it."""
    slope = float(curve["capacity"].iloc[0]) / float(curve["concurrency"].iloc[0])
    return float(curve["capacity"].iloc[-1]) / slope


def _empty(ax: Axes, frame: pd.DataFrame) -> bool:
    if len(frame):
        return False
    ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", fontsize=14)
    ax.set_axis_off()
    return True
