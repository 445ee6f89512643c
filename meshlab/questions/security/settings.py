"""Settings of the security question."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from meshlab.questions.base import QuestionSettings

__all__ = ["SecuritySettings"]


class SecuritySettings(QuestionSettings):
    """What is asked about, and the margins."""

    of_one_subject: ClassVar[tuple[str, ...]] = ("against",)

    namespace: Annotated[str, Meta(description="of the called workloads; empty: all")] = ""
    block_s: Annotated[
        int, Meta(ge=0, le=86_400, description="length of a time block, seconds; 0: chosen by the window's length")
    ] = 0
    recent_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400_000,
            description="plaintext this near the end is ongoing, seconds; 0: a fifth of the window",
        ),
    ] = 0.0
    ingresses: Annotated[
        str, Meta(description="workloads that take traffic from outside, separated by commas; * is a wildcard")
    ] = "*ingress*,*gateway*"
    rotate_after: Annotated[
        float,
        Meta(ge=0, lt=1, description="share of its life after which a certificate is due; 0: the mesh's rule"),
    ] = 0.0
    lifetime_s: Annotated[
        float,
        Meta(ge=0, le=86_400_000, description="certificate lifetime, seconds; 0: measured from rotations"),
    ] = 0.0
    slack: Annotated[float, Meta(ge=0, lt=1, description="share of the life by which a rotation may be late")] = 0.05
    against: Annotated[str, Meta(description="result.json of an earlier run; empty: none")] = ""
    policies_file: Annotated[
        str, Meta(description="YAML of the AuthorizationPolicies in force; empty: none is given")
    ] = ""
    policy_label: Annotated[str, Meta(description="key of the label by which policies select pods")] = "app"
    last_part: Annotated[
        float, Meta(gt=0, lt=1, description="share of the window on which the proposal is tested, 0 to 1")
    ] = 0.25
    level: Annotated[float, Meta(gt=0, lt=1, description="confidence level of all intervals, 0 to 1")] = 0.95
    dry_run: Annotated[bool, Meta(description="the proposal denies nothing, and counts what it would deny")] = True
