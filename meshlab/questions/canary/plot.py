"""The canary question's figures, drawn from its result alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from meshlab.core.results import Result
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, is_empty, show_time
from meshlab.display.numbers import difference, interval, percent

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

    def draw(ax: Axes) -> None:
        _band(ax, looks, "difference")
        ax.axhline(0, color="#555555", linewidth=0.8)
        if margin is not None:
            _margin(ax, margin, f"tolerated: {difference(margin)}")
        _zoom(ax, looks, [0.0, margin or 0.0])

    alt = f"Error rate, canary minus baseline, over time. {statement}"
    return _figure(alt, looks, "canary minus baseline (percentage points)", draw)


def error_evidence(result: Result) -> Figure:
    """Evidence on the errors as it was at each look, against the thresholds of FAIL and of PASS."""
    looks = result.tables["error_looks"].set_index("time") / np.log(10)
    alt = "Evidence on the errors over time, as powers of ten."
    if len(looks):
        last = looks.iloc[-1]
        alt += (
            f" At the end 10^{last['log_worse']:.1f} for worse (FAIL takes 10^{last['log_fail']:.1f}) and"
            f" 10^{last['log_below']:.1f} for tolerable (PASS takes 10^{last['log_pass']:.1f})."
        )

    def draw(ax: Axes) -> None:
        ax.plot(looks.index, looks["log_worse"], color=ORANGE, linewidth=2, label="worse")
        ax.plot(looks.index, looks["log_below"], color=BLUE, linewidth=2, linestyle="-.", label="tolerable")
        _margin(ax, last["log_fail"], f"FAIL from {10 ** last['log_fail']:,.0f} : 1")
        _margin(ax, last["log_pass"], f"PASS from {10 ** last['log_pass']:,.0f} : 1", left=True)
        ax.axhline(0, color="#555555", linewidth=0.8)
        ax.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))

    return _figure(alt, looks, "evidence (powers of ten)", draw)


def latency_over_time(result: Result) -> Figure:
    """Probability that a canary request is slower, as it was known at each look, and the single blocks."""
    looks = result.tables["latency_looks"]
    threshold, statement = _finding(result, "ML-CAN-002")

    def draw(ax: Axes) -> None:
        ax.plot(looks["time"], looks["in_block"], "o", color=ORANGE, alpha=0.35, markersize=4, label="one block")
        _band(ax, looks, "slower")
        ax.axhline(0.5, color="#555555", linewidth=0.8)
        if threshold is not None:
            _margin(ax, threshold, f"tolerated: {threshold:.3f}")
        _zoom(ax, looks, [0.5, threshold or 0.5, *looks["in_block"]])

    alt = f"Probability that the canary is slower, over time. {statement}"
    return _figure(alt, looks, "probability that the canary is slower", draw)


def latency_by_edge(result: Result) -> Figure:
    """Share of requests above each bucket edge, both arms: exact, nothing is interpolated."""
    edges = result.tables["latency_edges"]
    alt = "Share of requests above each duration, both arms."
    if len(edges):
        worst = edges.iloc[int(edges["difference"].abs().to_numpy().argmax())]
        alt += (
            f" The arms differ most above {worst['edge_ms']:g} ms: {percent(worst['above_baseline'])} of the baseline"
            f" and {percent(worst['above_canary'])} of the canary, {difference(worst['difference'])} points"
            f" ({interval(worst['lower'], worst['upper'])})."
        )

    def draw(ax: Axes) -> None:
        at = np.arange(len(edges))
        ax.plot(at, 100 * edges["above_baseline"], "s-", color=BLUE, label="baseline")
        half = np.abs(edges[["lower", "upper"]].to_numpy().T - edges["difference"].to_numpy())
        above, label = 100 * edges["above_canary"], "canary, with interval"
        ax.errorbar(at, above, yerr=half, fmt="o-", color=ORANGE, capsize=4, label=label)
        ax.set_xticks(at, [f"{edge:g}" for edge in edges["edge_ms"]])
        ax.set_xlabel("request duration above (ms)")
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False)

    return _figure(alt, edges, "share of requests (%)", draw, over_time=False)


def _figure(
    alt: str, table: pd.DataFrame, ylabel: str, draw: Callable[[Axes], None], *, over_time: bool = True
) -> Figure:
    with figure(alt) as (fig, ax):
        if is_empty(ax, table):
            return fig
        draw(ax)
        ax.set_ylabel(ylabel)
        if over_time:
            show_time(ax)
    return fig


def _band(ax: Axes, looks: pd.DataFrame, middle: str) -> None:
    drawn = looks.replace([np.inf, -np.inf], np.nan)
    ax.fill_between(drawn["time"], drawn["lower"], drawn["upper"], color=ORANGE, alpha=0.2, linewidth=0)
    ax.plot(drawn["time"], drawn[middle], color=ORANGE, linewidth=2)


def _margin(ax: Axes, at: float, text: str, *, left: bool = False) -> None:
    ink, style, ha, va = (BLUE, ":", "left", "top") if left else ("#333333", "--", "right", "bottom")
    ax.axhline(at, color=ink, linestyle=style, linewidth=1.2)
    ax.annotate(text, (0 if left else 1, at), xycoords=("axes fraction", "data"), ha=ha, va=va, color=ink)


def _zoom(ax: Axes, looks: pd.DataFrame, must_show: list[float]) -> None:
    """The first looks know next to nothing; their interval may leave the picture, the later ones' may not."""
    late = looks.iloc[len(looks) // 4 :][["lower", "upper"]].to_numpy().ravel()
    shown = np.array([*late[np.isfinite(late)], *must_show])
    room = 0.08 * (shown.max() - shown.min() or 1.0)
    ax.set_ylim(shown.min() - room, shown.max() + room)
