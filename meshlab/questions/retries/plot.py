"""The retry question's figures, drawn from its result alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshlab.core import sanitize
from meshlab.core.results import Result
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, is_empty, legend, show_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["edges", "hysteresis", "policies", "timeline"]

# Of each phase: its shade, how much of it, the ink of its marks, and their shape.
_PHASES: Final = {
    "calm": ("white", 0.0, BLUE, "o"),
    "triggered": ("#E69F00", 0.25, "#B07700", "^"),
    "storm": ("#9c2a00", 0.25, "#9c2a00", "X"),
    "metastable": ("#9c2a00", 0.25, "#9c2a00", "X"),
    "recovering": ("#009E73", 0.20, "#00735C", "s"),
}
_BLACK: Final = "#333333"
_MOST_EDGES: Final = 12


def _statement(result: Result, code: str) -> str:
    return next((f.statement for f in result.findings if f.code == code), result.headline)


def _top(values: pd.Series[float]) -> float:
    return float(np.nanmax(values.to_numpy(np.float64), initial=1.0))


def timeline(result: Result) -> Figure:
    """Load, goodput and attempts over time, and the phases."""
    line, phases = result.tables["timeline"], result.tables["incident"]
    alt = f"Load, goodput and attempts per second in {len(line)} blocks of time. {_statement(result, 'ML-RET-001')}"
    with figure(alt) as (fig, ax):
        if is_empty(ax, line):
            return fig
        for row in phases[phases["phase"] != "calm"].itertuples(index=False):
            shade, alpha, _, _ = _PHASES[str(row.phase)]
            ax.axvspan(row.begin, row.end, color=shade, alpha=alpha, linewidth=0)  # type: ignore[arg-type]
            place = (row.begin + (row.end - row.begin) / 2, 0.98)  # type: ignore[operator]
            style: dict[str, Any] = {"rotation": 90, "va": "top", "ha": "center", "size": 9}
            ax.annotate(str(row.phase), place, xycoords=("data", "axes fraction"), **style)
        ax.plot(line["time"], line["attempts_per_s"], color=ORANGE, linewidth=2, label="attempts at the origin")
        ax.plot(line["time"], line["load_per_s"], color=_BLACK, linewidth=1.5, linestyle="--", label="load")
        ax.plot(line["time"], line["goodput_per_s"], color=BLUE, linewidth=2, linestyle="-.", label="goodput")
        # Attempts are tens of times the load: both are to be seen.
        ax.set_yscale("symlog", linthresh=_top(line["load_per_s"]))
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_ylabel("requests per second")
        legend(ax)
        show_time(ax)
    return fig


def hysteresis(result: Result) -> Figure:
    """Goodput against load, block by block: a way back that is another one than the way there."""
    line = result.tables["timeline"]
    alt = f"Goodput against load in {len(line)} blocks, joined in the order of time. {_statement(result, 'ML-RET-001')}"
    with figure(alt) as (fig, ax):
        if is_empty(ax, line):
            return fig
        ax.plot(line["load_per_s"], line["goodput_per_s"], color="#999999", linewidth=0.8)
        for phase, (_, _, ink, mark) in _PHASES.items():
            rows = line[line["phase"] == phase]
            if len(rows):
                ax.plot(rows["load_per_s"], rows["goodput_per_s"], mark, color=ink, label=phase, markersize=6)
        top = _top(line["load_per_s"]) * 1.05
        ax.plot([0, top], [0, top], color=_BLACK, linestyle=":", linewidth=1)
        ax.set_xlim(0, top)
        ax.set_ylim(0, top)
        ax.set_xlabel("load (requests per second)")
        ax.set_ylabel("goodput (successes per second)")
        legend(ax, 4)
    return fig


def edges(result: Result) -> Figure:
    """Requests and attempts of the most amplified edges."""
    table = result.tables["edges"]
    shown = table[np.isfinite(table["amplification"].to_numpy(np.float64))].head(_MOST_EDGES).iloc[::-1]
    most = f"{shown['amplification'].iloc[-1]:.3g}" if len(shown) else "0"
    alt = f"Requests and attempts of the {len(shown)} most amplified edges; the first has {most} attempts per request."
    with figure(alt) as (fig, ax):
        if is_empty(ax, shown):
            return fig
        at = np.arange(len(shown))
        ax.barh(at + 0.2, shown["attempts"], 0.38, color=ORANGE, label="attempts")
        ax.barh(at - 0.2, shown["requests"], 0.38, color=BLUE, label="requests")
        pairs = zip(shown["source"], shown["destination_service"], strict=True)
        ax.set_yticks(at, [sanitize.mathtext(f"{a} > {b}") for a, b in pairs])
        for y, row in zip(at, shown.itertuples(index=False), strict=True):
            ax.annotate(f" {row.amplification:.2f}", (float(row.attempts), y + 0.2), va="center", size=9)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.margins(x=0.1)
        ax.set_xlabel("in the window")
        legend(ax, 2)
    return fig


def policies(result: Result) -> Figure:
    """The most attempts a second under each policy, and whether the system recovers."""
    table = result.tables["policies"]
    alt = f"Most attempts per second under {len(table)} policies. {_statement(result, 'ML-RET-011')}"
    with figure(alt) as (fig, ax):
        if is_empty(ax, table):
            return fig
        shown = table.iloc[::-1]
        back = shown["recovered"].to_numpy(np.bool_)
        at = np.arange(len(shown))
        for part, ink, word in ((back, BLUE, "recovers"), (~back, ORANGE, "does not recover")):
            ax.barh(at[part], shown["peak_per_s"].to_numpy(np.float64)[part], 0.7, color=ink, label=word)
        ax.set_yticks(at, [sanitize.mathtext(str(name)) for name in shown["policy"]])
        for y, row in zip(at, shown.itertuples(index=False), strict=True):
            after = f" after {row.recovery_s:.0f} s" if row.recovered else " does not"
            ax.annotate(after, (float(row.peak_per_s), y), va="center", size=9)  # type: ignore[arg-type]
        ax.margins(x=0.15)
        ax.set_xlabel("most attempts per second, over 5 s")
        legend(ax, 2)
    return fig
