"""A figure that is declared: columns of a result's table over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshlab.core.results import Result
from meshlab.display.figures import BLUE, ORANGE, Figure, figure, show_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Line"]

_INKS: Final = (BLUE, ORANGE, "#009E73", "#555555")
_MARKS: Final = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Line:
    """Lines over time, with gaps where nothing was measured."""

    table: str
    """Of the result."""
    y: Sequence[str]
    """Columns, a line each."""
    x: str = "time"
    """A column of times."""
    unit: str = ""
    """Of all lines."""
    mark: float | None = None
    """Where a horizontal line is drawn."""

    def __call__(self, result: Result) -> Figure:
        """Draw the result's table."""
        table = result.tables[self.table]
        alt = f"{self.table.replace('_', ' ').capitalize()} of {result.subject}: {self._text(table)}."
        with figure(alt) as (fig, ax):
            for column, ink, style in zip(self.y, _INKS, _MARKS, strict=False):
                if len(table):
                    ax.plot(table[self.x], table[column], style, color=ink, label=column.replace("_", " "))
            if self.mark is not None:
                ax.axhline(self.mark, color="#444444", linewidth=1)
            ax.set_ylabel(self.unit)
            if len(table):
                ax.legend(frameon=False)
                show_time(ax)
        return fig

    def _text(self, table: pd.DataFrame) -> str:
        known = [(column, table[column].dropna()) for column in self.y]
        parts = [
            f"{column.replace('_', ' ')} from {values.min():.3g} to {values.max():.3g} {self.unit}".rstrip()
            for column, values in known
            if len(values)
        ]
        return "; ".join(parts) or "0 points, nothing was measured"
