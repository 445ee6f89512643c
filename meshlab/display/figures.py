"""How every figure looks, and the sentence that stands in for it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from meshlab.core import sanitize

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BASELINE", "BLUE", "CANARY", "ORANGE", "Figure", "figure", "is_empty", "legend", "picture", "show_time"]

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
BASELINE: Final = BLUE
CANARY: Final = ORANGE
_PNG: Final = b"\x89PNG\r\n\x1a\n"

_STYLE: Final[dict[Any, Any]] = {
    "figure.figsize": (8.0, 4.0),
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "axes.edgecolor": "#444444",
    "font.size": 11,
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "meshlab",
}


class Figure:
    """A finished picture and its alternative text; what a notebook shows.

    Parameters
    ----------
    alt : str
        One or two sentences with the figure's own numbers.
    """

    def __init__(self, alt: str) -> None:
        self.alt = sanitize.plain(alt)
        self.png = b""

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        png = base64.b64encode(self.png).decode("ascii")
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}


def picture(data: bytes, alt: str, kind: str = "image/png") -> str:
    """A picture as HTML that loads nothing; a PNG has its size, so that a page does not move while it is drawn."""
    size = ""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        size = f' width="{width}" height="{height}"'
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        '<figure tabindex="0" role="group" aria-label="Figure">'
        f'<img src="{source}" alt="{sanitize.html(alt)}"{size} style="max-width:100%;height:auto"></figure>'
    )


@contextmanager
def figure(alt: str) -> Iterator[tuple[Figure, Axes]]:
    """A figure in meshlab's style, rendered when the block ends; no global state is touched.

    Parameters
    ----------
    alt : str
        The alternative text.

    Yields
    ------
    Figure, Axes
        The picture (empty until the end) and where to draw.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    made = Figure(alt)
    with mpl.rc_context(_STYLE):
        canvas = Canvas(layout="constrained")
        FigureCanvasAgg(canvas)
        yield made, canvas.subplots()
        sink = BytesIO()
        canvas.savefig(sink, format="png", metadata={"Software": None})
    made.png = _with_few_colours(sink)


def _with_few_colours(png: BinaryIO) -> bytes:
    """The same picture in a third of the bytes: lines and letters need no more colours than fit into a palette."""
    from PIL import Image

    sink = BytesIO()
    with Image.open(png) as picture:
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(sink, "png", optimize=True)
    return sink.getvalue()


def is_empty(ax: Axes, table: Sized) -> bool:
    """Whether there is nothing to draw; then the picture says so."""
    if len(table):
        return False
    ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", fontsize=14)
    ax.set_axis_off()
    return True


def legend(ax: Axes, columns: int = 3) -> None:
    """The legend above the picture, where it hides nothing."""
    ax.legend(frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0.0, 1.0))


def show_time(ax: Axes) -> None:
    """Label the x axis as UTC clock times."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC", minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    ax.set_xlabel("time (UTC)")
