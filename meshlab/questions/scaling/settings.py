"""Settings of the scaling question."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from meshlab.questions.base import ErrorCodes, QuestionSettings
from meshlab.telemetry.outcomes import DEFAULT_ERRORS

__all__ = ["ScalingSettings"]

_MOST = 86_400_000


def _share(description: str) -> Meta:
    return Meta(ge=0, le=1, description=description)


def _amount(description: str, least: int = 0, most: int = _MOST) -> Meta:
    return Meta(ge=least, le=most, description=description)


class ScalingSettings(QuestionSettings):
    """What is asked about, and the margins."""

    of_one_subject: ClassVar[tuple[str, ...]] = ("service", "hpa_file")

    namespace: Annotated[str, Meta(description="of the service; empty: any")] = ""
    service: Annotated[str, Meta(description="canonical service, host or workload")] = ""
    version: Annotated[str, Meta(description="the one whose capacity is judged; empty: the busiest")] = ""
    hpa_file: Annotated[
        str, Meta(description="the autoscaler's YAML (kubectl get hpa NAME -o yaml); empty: inferred from its history")
    ] = ""
    sync_s: Annotated[
        float, _amount("the autoscaler's sync period, seconds; 0: inferred from its history, else 15")
    ] = 0.0
    slo_ms: Annotated[float, _amount("objective for the p99, milliseconds; 0: none")] = 0.0
    block_s: Annotated[int, _amount("length of an interval, seconds; 0: two scrapes", most=86_400)] = 0
    error_codes: ErrorCodes = DEFAULT_ERRORS
    short_warn: Annotated[float, _share("share of the time with fewer replicas than needed that warns")] = 0.02
    short_fail: Annotated[float, _share("and that fails")] = 0.10
    beyond_warn: Annotated[float, _share("share of the intervals past the saturation point that warns")] = 0.02
    beyond_fail: Annotated[float, _share("and that fails")] = 0.10
    reversals_fail: Annotated[int, _amount("scale-downs that were soon reversed; so many fail, one warns", least=1)] = 3
    soon_s: Annotated[float, _amount("how soon is soon, seconds; a longer stabilization window counts instead")] = 600.0
    explained: Annotated[float, _share("share of the sync periods that Kubernetes' algorithm must explain")] = 0.90
    level: Annotated[float, Meta(gt=0, lt=1, description="confidence level of all intervals, 0 to 1")] = 0.95
