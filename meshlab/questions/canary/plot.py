"""The canary question's figures, drawn from its result alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from meshlab.core.results import Result
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, show_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["error_difference", "error_evidence", "latency_by_edge", "latency_over_time"]


def _finding(result: Result, code: str) -> tuple[float | None, str]:
    """Threshold and statement; what stands for it where nothing was judged."""
    finding = next((f for f in result.findings if f.code == code), None)
    return (finding.threshold, finding.statement) if finding else (None, "Nothing was judged.")


def error_difference(result: Result) -> Figure:
    """Difference of the error rates as it was known at each look, with its interval and the margin."""
    looks = result.tables["error_looks"]
    margin, statement = _finding(result, "ML-CAN-001")
    with figure(f"Error rate, canary minus baseline, over time. {statement}") as (fig, ax):
        if _empty(ax, looks):
            return fig
        _band(ax, looks, "difference")
        ax.axhline(0, color="#555555", linewidth=0.8)
        if margin is not None:
            _margin(ax, margin, f"tolerated: {margin:+.2f}")
        _zoom(ax, looks, [0.0, margin or 0.0])
        ax.set_ylabel("canary minus baseline (percentage points)")
        show_time(ax)
    return fig


def error_evidence(result: Result) -> Figure:
    """Evidence on the errors as it was at each look, against the thresholds of FAIL and of PASS."""
    looks, ten = result.tables["error_looks"], np.log(10)
    last = looks.iloc[-1] if len(looks) else None
    fails, passes = (0.0, 0.0) if last is None else (last["log_fail"] / ten, last["log_pass"] / ten)
    alt = "Evidence on the errors over time, as powers of ten."
    if last is not None:
        alt += (
            f" At the end 10^{last['log_worse'] / ten:.1f} for worse (FAIL takes 10^{fails:.1f}) and"
            f" 10^{last['log_below'] / ten:.1f} for tolerable (PASS takes 10^{passes:.1f})."
        )
    with figure(alt) as (fig, ax):
        if _empty(ax, looks):
            return fig
        ax.plot(looks["time"], looks["log_worse"] / ten, color=ORANGE, linewidth=2, label="worse")
        ax.plot(looks["time"], looks["log_below"] / ten, color=BLUE, linewidth=2, linestyle="-.", label="tolerable")
        _margin(ax, fails, f"FAIL from {10**fails:,.0f} : 1")
        ax.axhline(passes, color=BLUE, linestyle=":", linewidth=1.2)
        ax.annotate(
            f"PASS from {10**passes:,.0f} : 1",
            (0, passes),
            xycoords=("axes fraction", "data"),
            va="top",
            color=BLUE,
        )
        ax.axhline(0, color="#555555", linewidth=0.8)
        ax.set_ylabel("evidence (powers of ten)")
        ax.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
        show_time(ax)
    return fig


def latency_over_time(result: Result) -> Figure:
    """Probability that a canary request is slower, as it was known at each look, and the single blocks."""
    looks = result.tables["latency_looks"]
    threshold, statement = _finding(result, "ML-CAN-002")
    with figure(f"Probability that the canary is slower, over time. {statement}") as (fig, ax):
        if _empty(ax, looks):
            return fig
        ax.plot(looks["time"], looks["in_block"], "o", color=ORANGE, alpha=0.35, markersize=4, label="one block")
        _band(ax, looks, "slower")
        ax.axhline(0.5, color="#555555", linewidth=0.8)
        if threshold is not None:
            _margin(ax, threshold, f"tolerated: {threshold:.3f}")
        _zoom(ax, looks, [0.5, threshold or 0.5, *looks["in_block"]])
        ax.set_ylabel("probability that the canary is slower")
        show_time(ax)
    return fig


def latency_by_edge(result: Result) -> Figure:
    """Share of requests above each bucket edge, both arms: exact, nothing is interpolated."""
    edges = result.tables["latency_edges"]
    worst = edges.iloc[int(edges["difference"].abs().to_numpy().argmax())] if len(edges) else None
    alt = "Share of requests above each duration, both arms."
    if worst is not None:
        alt += (
            f" The arms differ most above {worst['edge_ms']:g} ms: {100 * worst['above_baseline']:.1f} % of the"
            f" baseline and {100 * worst['above_canary']:.1f} % of the canary, {worst['difference']:+.1f} points"
            f" ({worst['lower']:+.1f} to {worst['upper']:+.1f})."
        )
    with figure(alt) as (fig, ax):
        if _empty(ax, edges):
            return fig
        at = np.arange(len(edges))
        ax.plot(at, 100 * edges["above_baseline"], "s-", color=BLUE, label="baseline")
        half = np.abs(edges[["lower", "upper"]].to_numpy().T - edges["difference"].to_numpy())
        ax.errorbar(
            at, 100 * edges["above_canary"], yerr=half, fmt="o-", color=ORANGE, capsize=4, label="canary, with interval"
        )
        ax.set_xticks(at, [f"{edge:g}" for edge in edges["edge_ms"]])
        ax.set_xlabel("request duration above (ms)")
        ax.set_ylabel("share of requests (%)")
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False)
    return fig


def _empty(ax: Axes, frame: pd.DataFrame) -> bool:
    if len(frame):
        return False
    ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", fontsize=14)
    ax.set_axis_off()
    return True


def _band(ax: Axes, looks: pd.DataFrame, middle: str) -> None:
    drawn = looks.replace([np.inf, -np.inf], np.nan)
    ax.fill_between(drawn["time"], drawn["lower"], drawn["upper"], color=ORANGE, alpha=0.2, linewidth=0)
    ax.plot(drawn["time"], drawn[middle], color=ORANGE, linewidth=2)


def _margin(ax: Axes, at: float, text: str) -> None:
    ax.axhline(at, color="#333333", linestyle="--", linewidth=1.2)
    ax.annotate(text, (1, at), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="#333333")


def _zoom(ax: Axes, looks: pd.DataFrame, must_show: list[float]) -> None:
    """The first looks know next to nothing; their interval may leave the picture, the later ones' may not."""
    late = looks.iloc[len(looks) // 4 :][["lower", "upper"]].to_numpy().ravel()
    shown = np.array([*late[np.isfinite(late)], *must_show])
    room = 0.08 * (shown.max() - shown.min() or 1.0)
    ax.set_ylim(shown.min() - room, shown.max() + room)
