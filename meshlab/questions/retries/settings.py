"""Settings of the retry question."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from meshlab.questions.base import ErrorCodes, QuestionSettings
from meshlab.telemetry.outcomes import DEFAULT_ERRORS

__all__ = ["RetriesSettings"]


class RetriesSettings(QuestionSettings):
    """What is asked about, what is configured, and the margins."""

    namespace: Annotated[str, Meta(description="of the service; empty: any")] = ""
    service: Annotated[str, Meta(description="only edges on paths to this service are judged; empty: all")] = ""
    attempts: Annotated[
        int, Meta(ge=0, le=1000, description="attempts configured at each hop, the first included; 0: not known")
    ] = 0
    routes_file: Annotated[
        str, Meta(description="VirtualServices, DestinationRules and HTTPRoutes as YAML; empty: measured")
    ] = ""
    per_try_s: Annotated[
        float, Meta(ge=0, le=3600, description="timeout of a try at every hop, seconds; 0: as measured")
    ] = 0.0
    deadline_s: Annotated[float, Meta(ge=0, le=3600, description="how long clients wait, seconds; 0: as measured")] = (
        0.0
    )
    block_s: Annotated[
        int, Meta(ge=0, le=3600, description="length of a time block, seconds; 0: two scrapes, at least 10 s")
    ] = 0
    error_codes: ErrorCodes = DEFAULT_ERRORS
    amplification: Annotated[
        float,
        Meta(ge=1.01, le=1000, description="attempts per request, over the usual, from which an edge is amplified"),
    ] = 1.3
    goodput: Annotated[
        float, Meta(ge=0.01, le=0.999, description="share of the usual goodput below which it is lost")
    ] = 0.9
    sustained_s: Annotated[
        int, Meta(ge=1, le=86_400, description="seconds by which a storm must outlast its trigger to be metastable")
    ] = 60
    least: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="requests that an edge needs in the window to be judged")
    ] = 20
    resamples: Annotated[
        int, Meta(ge=100, le=100_000, description="how often blocks are drawn again for the probability")
    ] = 2000
    seed: Annotated[int, Meta(ge=0, le=2**31, description="of the resampling")] = 1
