"""The timeline: what changes on a running mesh, and when. An event sets keys of the scenario itself."""

from __future__ import annotations

import math
from typing import Annotated, Any

from msgspec import Meta, field

from meshlab.core.settings import Settings
from meshlab.errors import ParameterError
from meshlab.lab.specs.kinds import Text

__all__ = ["Event"]


class Event(Settings, kw_only=True):
    """One change, an ``[[event]]``."""

    at_s: Annotated[float, Meta(ge=0, description="Seconds from the window's begin.")]
    for_s: Annotated[float, Meta(gt=0, description="How long it holds; it stays when not given.")] | None = None
    what: Annotated[Text, Meta(description="In words, for the display and the truth.")]
    settings: Annotated[
        dict[str, Any],
        Meta(description="Dotted keys of the scenario, such as `workloads.ledger.latency_factor`, and their values."),
    ] = field(name="set", default_factory=dict)

    def __post_init__(self) -> None:
        if not self.settings:
            hint = 'give it set = {"workloads.x.error_share" = 0.1}'
            raise ParameterError(f"the event at {self.at_s:g} s sets nothing", hint)

    @property
    def until_s(self) -> float:
        """When it is taken back, seconds from the window's begin; infinite when it stays."""
        return math.inf if self.for_s is None else self.at_s + self.for_s

    def holds(self, at_s: float) -> bool:
        """Whether it is in force at a moment."""
        return self.at_s <= at_s < self.until_s
