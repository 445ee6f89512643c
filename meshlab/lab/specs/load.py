"""The load from outside: how many requests a second, and how that changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meshlab.errors import ParameterError
from meshlab.lab.tables import Table, unknown

__all__ = ["Form", "Load", "Shape", "load"]

_MOST_PER_S = 5_000


class Form(StrEnum):
    """How a shape changes the rate."""

    STEP = "step"
    RAMP = "ramp"
    SPIKE = "spike"
    WAVE = "wave"


@dataclass(frozen=True, slots=True)
class Shape:
    """One change of the rate.

    Parameters
    ----------
    form : Form
        ``step``: from `start_s` on the rate is `rate_per_s`. ``ramp``: between `start_s` and `end_s` it goes there in a
        straight line, and stays. ``spike``: it is `rate_per_s` from `start_s` to `end_s` and then what it was.
        ``wave``: it swings around what it is by `amplitude`, once in `period_s`, from `start_s` on.
    start_s, end_s : float
        Seconds from the window's begin.
    rate_per_s : float
        Requests a second; not for a wave.
    amplitude, period_s : float
        Share of the rate (0..1), and seconds; only for a wave.
    """

    form: Form
    start_s: float
    end_s: float
    rate_per_s: float
    amplitude: float
    period_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """Open-loop Poisson load on one workload.

    Parameters
    ----------
    target : str
        The workload which gets the requests, from outside the mesh and in plain text.
    rate_per_s : float
        Mean requests a second; they are sent whether or not earlier ones were answered.
    timeout_s : float
        How long the client waits for one answer.
    max_in_flight : int
        A safety cap. Requests above it are not sent, and are counted as shed.
    shapes : tuple of Shape
        Changes of the rate, in the order of their start.
    """

    target: str
    rate_per_s: float
    timeout_s: float
    max_in_flight: int
    shapes: tuple[Shape, ...] = ()


def load(table: Table, workloads: Iterable[str]) -> Load:
    """Read ``[load]`` and its ``[[load.shape]]``.

    Raises
    ------
    ParameterError
        An unknown target, form or key, a wrong type, or a value out of range.
    """
    shapes = (_shape(entry) for entry in table.tables("shape"))
    found = Load(
        target=table.text("target"),
        rate_per_s=table.number("rate_per_s", above=0, most=_MOST_PER_S),
        timeout_s=table.number("timeout_s", 10, above=0, most=600),
        max_in_flight=table.integer("max_in_flight", 2_000, least=1, most=10_000),
        shapes=tuple(sorted(shapes, key=lambda shape: shape.start_s)),
    )
    table.close()
    names = set(workloads)
    if found.target not in names:
        raise unknown("workload", found.target, names)
    return found


def _shape(table: Table) -> Shape:
    text = table.text("form")
    try:
        form = Form(text)
    except ValueError:
        raise unknown("form of load", text, (form.value for form in Form)) from None
    start_s = table.number("start_s", 0)
    lasts, waves = form in (Form.RAMP, Form.SPIKE), form is Form.WAVE
    found = Shape(
        form=form,
        start_s=start_s,
        end_s=table.number("end_s") if lasts else start_s,
        rate_per_s=0.0 if waves else table.number("rate_per_s", most=_MOST_PER_S),
        amplitude=table.number("amplitude", most=1) if waves else 0.0,
        period_s=table.number("period_s", above=0) if waves else 0.0,
    )
    table.close()
    if lasts and found.end_s <= start_s:
        raise ParameterError(f"a {form} of the load ends at {found.end_s:g} s, not after its start", "set end_s later")
    return found
