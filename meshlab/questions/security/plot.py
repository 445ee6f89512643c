"""The security question's figures, drawn from its result alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from meshlab.core.results import Result
from meshlab.core.sanitize import mathtext
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, is_empty, show_time
from meshlab.questions.security.rows import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["certificates", "denials", "encryption"]

_GREY: Final = "#888888"
_INKS: Final = {"mtls": (BLUE, "s"), "plaintext": (ORANGE, "X"), "unverified": (_GREY, "o")}
_LONGEST: Final = 160
_MOST: Final = 16
"""Edges in a figure: the ones with plaintext first."""


def encryption(result: Result) -> Figure:
    """When each edge was encrypted and when not."""
    table, found = result.tables["timeline"], result.tables["edges"]
    with figure(f"Edges over time, by how they were protected. {result.headline}.") as (fig, ax):
        if is_empty(ax, table):
            return fig
        order = found.sort_values(["plaintext", "unverified", "mtls"], ascending=False)
        names = list(dict.fromkeys(_names(order)))[:_MOST]
        at = _names(table).map({name: -k for k, name in enumerate(names)})
        for state, (ink, mark) in _INKS.items():
            own = table["state"].eq(state) & at.notna()
            if own.any():
                shift = 0.2 if state == "plaintext" else 0.0
                ax.plot(table["time"][own], at[own] + shift, mark, color=ink, markersize=4, linestyle="", label=state)
        _name_rows(ax, names)
        ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
        show_time(ax)
    return fig


def certificates(result: Result) -> Figure:
    """When the workloads' certificates end, as it was seen over time."""
    table = result.tables["rotations"]
    leaf = table[table["kind"] == "leaf"]
    with figure(f"Rotations of the workloads' certificates: {int(leaf['rotation'].sum())} were seen.") as (fig, ax):
        if is_empty(ax, leaf):
            return fig
        ends = result.tables["certificates"]
        bad = set(ends.loc[ends["state"].isin(["overdue", "expired"]), "workload"])
        names = sorted(set(leaf["workload"]), key=lambda name: (name not in bad, name))[:_MOST]
        place = {name: -k for k, name in enumerate(names)}
        for ink, own, label in (
            (BLUE, leaf[leaf["rotation"] & ~leaf["workload"].isin(bad)], "renewed"),
            (ORANGE, leaf[leaf["rotation"] & leaf["workload"].isin(bad)], "renewed, and no more"),
        ):
            own = own[own["workload"].isin(names)]
            if len(own):
                ax.plot(own["time"], own["workload"].map(place), "o", color=ink, markersize=6, label=label)
        late = ends[ends["workload"].isin(bad & set(names)) & (ends["kind"] == "leaf")]
        if not leaf["rotation"].any() and late.empty:
            is_empty(ax, late, "no rotation was seen")
            return fig
        for column, mark, label in (("renew_by", "|", "due"), ("ends", "X", "ends")):
            if len(late):
                where = late["workload"].map(place)
                ax.plot(late[column], where, mark, color="black", markersize=10, label=label, linestyle="")
        _name_rows(ax, names)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
        show_time(ax)
    return fig


def denials(result: Result) -> Figure:
    """What share of each edge's requests was denied, with its interval."""
    table = result.tables["denials"].head(_MOST)
    with figure(f"Edges on which requests were denied: {len(table)}.") as (fig, ax):
        if is_empty(ax, table):
            return fig
        share, low, high = (100 * table[column] for column in ("share", "low", "high"))
        half = [(share - low).clip(lower=0), (high - share).clip(lower=0)]
        ax.errorbar(share, [-k for k in range(len(table))], xerr=half, fmt="o", color=ORANGE, capsize=4)
        _name_rows(ax, _names(table))
        ax.set_xlim(0, 101)
        ax.set_xlabel("requests denied (%)")
    return fig


def _name_rows(ax: Axes, names: Iterable[str]) -> None:
    labels = [mathtext(shown(name, _LONGEST)) for name in names]
    ax.set_yticks([-k for k in range(len(labels))], labels, fontsize=8)


def _names(table: pd.DataFrame) -> pd.Series[str]:
    caller = table["source"].where(table["source"] != "", "(unknown)")
    cluster = table["destination_cluster"].map(lambda name: f" ({name})" if name else "")
    return caller + " → " + table["destination_workload"] + cluster
