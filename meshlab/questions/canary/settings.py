"""What is compared, what counts as worse, and how sure one must be."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import Meta

from meshlab.core.settings import Settings, read
from meshlab.errors import ParameterError
from meshlab.questions.base import ErrorCodes, QuestionSettings
from meshlab.stats.shares import Margin
from meshlab.telemetry.outcomes import DEFAULT_ERRORS

__all__ = ["CanarySettings", "Mode", "Stakes"]

_Share = Annotated[float, Meta(ge=0, lt=1)]
_Margin = Annotated[float, Meta(gt=0, le=100)]
_Half = Annotated[float, Meta(gt=0, le=0.5)]
_Part = Annotated[float, Meta(gt=0, lt=1)]
_Block = Annotated[int, Meta(ge=0, le=3600)]
_Seconds = Annotated[int, Meta(ge=0)]
_ArmBy = Literal["", "version", "workload", "revision", "service"]
_Objectives = Annotated[float, Meta(ge=0)] | tuple[Annotated[float, Meta(gt=0)], ...]
_SLO: Final = "latency objective, ms; 0: every bucket edge above the baseline's median"


class Mode(StrEnum):
    """How the new version is tried."""

    CANARY = "canary"
    """Both serve at the same time."""
    BLUE_GREEN = "blue-green"
    """The new one serves after the old one."""
    MIRROR = "mirror"
    """The new one gets copies of the old one's requests, and its answers are thrown away: a dark launch."""


class Stakes(Settings):
    """Parts of alpha for a false alarm of each metric; they add up to 1."""

    errors: _Part = 0.7
    latency: _Part = 0.1
    slow: _Part = 0.1
    segments: _Part = 0.1

    def __post_init__(self) -> None:
        if abs((total := sum(self.parts().values())) - 1) > 1e-9:
            raise ParameterError(f"stakes add up to {total:g}", "give shares above 0 that add up to 1")

    def parts(self) -> dict[str, float]:
        """The stakes by metric."""
        return msgspec.structs.asdict(self)


class CanarySettings(QuestionSettings):
    """Settings of the canary question.

    Each metric has two margins. Up to the first the arms count as the same: a canary is never failed for less. From
    the second on it is not tolerated: a canary is never passed with more. Between them either may come out, and where
    both are shown (a significant regression, within what is tolerated) it is a warning.
    """

    namespace: Annotated[str, Meta(description="of the service; empty: any")] = ""
    service: Annotated[str, Meta(description="canonical service, host or workload")] = ""
    baseline: Annotated[str, Meta(description="version in production; both empty: found where that is clear")] = ""
    canary: Annotated[str, Meta(description="version that is being tried")] = ""
    mode: Annotated[Mode, Meta(description="canary (beside the old version), blue-green (after it) or mirror")] = (
        Mode.CANARY
    )
    arm_by: Annotated[_ArmBy, Meta(description="what these name: version, workload, revision or service")] = ""
    canary_weight: Annotated[_Share, Meta(description="intended share of requests, 0 to 1; 0: not given")] = 0.0
    policy_file: Annotated[str, Meta(description="TOML file of these settings; a parameter changed here wins")] = ""
    alpha: Annotated[_Half, Meta(description="probability of a false alarm, over all looks and metrics")] = 0.02
    block_s: Annotated[_Block, Meta(description="length of a time block, seconds; 0: two scrapes, at least 15 s")] = 0
    warm_up_s: Annotated[_Seconds, Meta(description="left out after a canary's start in the window, seconds")] = 60
    min_coverage: Annotated[_Share, Meta(description="share of the blocks that both arms must have data in")] = 0.8
    error_codes: ErrorCodes = DEFAULT_ERRORS
    error_same_relative: Annotated[_Margin, Meta(description="part of the baseline's error rate that is the same")] = (
        0.03
    )
    error_margin_points: Annotated[_Margin, Meta(description="points by which the canary may fail more often")] = 0.5
    error_margin_relative: Annotated[_Margin, Meta(description="or this part of the baseline's, the larger")] = 0.5
    latency_margin: Annotated[_Half, Meta(description="probability of being slower, above one half")] = 0.03
    slo_ms: Annotated[_Objectives, Meta(title="milliseconds above 0", description=_SLO, examples=[250.0])] = 0.0
    slow_same_relative: Annotated[_Margin, Meta(description="part of the baseline's slow share that is the same")] = (
        0.25
    )
    slow_margin_points: Annotated[_Margin, Meta(description="points by which more requests may be slow")] = 1.0
    slow_margin_relative: Annotated[_Margin, Meta(description="or this part of the baseline's, the larger")] = 0.5
    stakes: Annotated[Stakes, Meta(description="parts of alpha for each metric")] = Stakes()

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.baseline) != bool(self.canary):
            known, empty = ("baseline", "canary") if self.baseline else ("canary", "baseline")
            raise ParameterError(
                f"{empty} is not given, and {known} is {getattr(self, known)!r}",
                f'write {empty} = "...", or leave both empty to have them found',
            )
        if self.baseline and self.baseline == self.canary:
            raise ParameterError(f"baseline and canary are both {self.canary!r}", "name two different versions")

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Settings from values, above those of `policy_file` where they are not the defaults.

        Raises
        ------
        ParameterError
            As of `Settings.of`; or the file cannot be read.
        """
        given = super().of(**values)
        if not given.policy_file:
            return given
        usual = cls()
        changes = {name: value for name, value in values.items() if getattr(given, name) != getattr(usual, name)}
        return read(cls, given.policy_file, "policy", **changes)

    @property
    def edges_ms(self) -> tuple[float, ...]:
        """The latency objectives, milliseconds; empty for every edge above the baseline's median."""
        return self.slo_ms if isinstance(self.slo_ms, tuple) else (self.slo_ms,) if self.slo_ms else ()

    @property
    def error_margin(self) -> Margin:
        """What is tolerated of errors, in shares."""
        return Margin(self.error_margin_points / 100.0, self.error_margin_relative)

    @property
    def slow_margin(self) -> Margin:
        """What is tolerated of slow requests, in shares."""
        return Margin(self.slow_margin_points / 100.0, self.slow_margin_relative)

    @property
    def level(self) -> float:
        """Confidence level of the intervals shown, 0..1."""
        return 1.0 - self.alpha

    @property
    def enough(self) -> float:
        """Natural log of the evidence that settles one hypothesis at alpha."""
        return math.log(1.0 / self.alpha)
