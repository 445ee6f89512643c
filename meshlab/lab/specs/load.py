"""The load from outside: how many requests a second, and how that changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, field

from meshlab.core.settings import Settings
from meshlab.errors import ParameterError
from meshlab.lab.specs.kinds import Share, Text

__all__ = ["Form", "Load", "Shape"]

_MOST_PER_S: Final = 5_000


class Form(StrEnum):
    """How a shape changes the rate."""

    STEP = "step"
    """From `start_s` on the rate is `rate_per_s`."""
    RAMP = "ramp"
    """Between `start_s` and `end_s` it goes there in a straight line, and stays."""
    SPIKE = "spike"
    """It is `rate_per_s` from `start_s` to `end_s`, then what it was."""
    WAVE = "wave"
    """It swings around what it is by `amplitude`, once in `period_s`, from `start_s` on."""


class Shape(Settings, kw_only=True):
    """One change of the rate, a ``[[load.shape]]``."""

    form: Form
    start_s: Annotated[float, Meta(ge=0, description="Seconds from the window's begin.")] = 0.0
    end_s: Annotated[float, Meta(ge=0, description="The same; of a ramp and a spike.")] = 0.0
    rate_per_s: Annotated[float, Meta(ge=0, le=_MOST_PER_S, description="Requests a second; not of a wave.")] | None = (
        None
    )
    amplitude: Annotated[Share, Meta(description="Share of the rate; of a wave.")] = 0.0
    period_s: Annotated[float, Meta(ge=0, description="Seconds; of a wave.")] = 0.0

    def __post_init__(self) -> None:
        ends, waves = self.form in (Form.RAMP, Form.SPIKE), self.form is Form.WAVE
        given = {
            "rate_per_s": self.rate_per_s is not None,
            "end_s": self.end_s > 0,
            "amplitude": self.amplitude > 0,
            "period_s": self.period_s > 0,
        }
        wanted = {"rate_per_s": not waves, "end_s": ends, "amplitude": waves, "period_s": waves}
        for name in given:
            if given[name] != wanted[name] and not (waves and name == "amplitude"):
                fault, hint = ("needs", "give it") if wanted[name] else ("has no", "leave it out")
                raise ParameterError(f"a {self.form} of the load {fault} {name}", hint)
        if ends and self.end_s <= self.start_s:
            what = f"a {self.form} of the load ends at {self.end_s:g} s, not after its start"
            raise ParameterError(what, "set end_s later")


class Load(Settings, kw_only=True):
    """Open-loop Poisson load on one workload."""

    target: Annotated[Text, Meta(description="The workload that gets the requests, from outside and in plaintext.")]
    rate_per_s: Annotated[
        float,
        Meta(gt=0, le=_MOST_PER_S, description="Mean requests a second, sent whatever became of earlier ones."),
    ]
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="How long the client waits for an answer.")] = 10.0
    max_in_flight: Annotated[
        int, Meta(ge=1, le=10_000, description="A safety cap: requests above it are not sent, and counted as shed.")
    ] = 2_000
    shapes: Annotated[tuple[Shape, ...], Meta(description="Changes of the rate, sorted by their start.")] = field(
        name="shape", default=()
    )

    def __post_init__(self) -> None:
        shapes = tuple(sorted(self.shapes, key=lambda shape: shape.start_s))
        msgspec.structs.force_setattr(self, "shapes", shapes)
