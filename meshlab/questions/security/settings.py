"""Settings of the security question."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from msgspec import Meta

from meshlab.questions.base import QuestionSettings

__all__ = ["SecuritySettings"]


_Seconds = Annotated[float, Meta(ge=0, le=86_400_000)]
_Share = Annotated[float, Meta(gt=0, lt=1)]
_ShareOrNone = Annotated[float, Meta(ge=0, lt=1)]
_Block = Annotated[int, Meta(ge=0, le=86_400)]
_BLOCKS: Final = "length of a time block, seconds; 0: chosen by the window's length"
_RECENT: Final = "plaintext this near the end is ongoing, seconds; 0: a fifth of the window"
_LIFETIME: Final = "certificate lifetime, seconds; 0: measured from rotations"
_ROTATE: Final = "share of its life after which a certificate is due; 0: the mesh's rule"
_INGRESSES: Final = "workloads that take traffic from outside, separated by commas; * is a wildcard"


class SecuritySettings(QuestionSettings):
    """What is asked about, and the margins."""

    of_one_subject: ClassVar[tuple[str, ...]] = ("against",)

    namespace: Annotated[str, Meta(description="of the called workloads; empty: all")] = ""
    block_s: Annotated[_Block, Meta(description=_BLOCKS)] = 0
    recent_s: Annotated[_Seconds, Meta(description=_RECENT)] = 0.0
    ingresses: Annotated[str, Meta(description=_INGRESSES)] = "*ingress*,*gateway*"
    rotate_after: Annotated[_ShareOrNone, Meta(description=_ROTATE)] = 0.0
    lifetime_s: Annotated[_Seconds, Meta(description=_LIFETIME)] = 0.0
    slack: Annotated[_ShareOrNone, Meta(description="share of the life by which a rotation may be late")] = 0.05
    against: Annotated[str, Meta(description="result.json of an earlier run; empty: none")] = ""
    policies_file: Annotated[str, Meta(description="YAML of the AuthorizationPolicies in force; empty: none")] = ""
    policy_label: Annotated[str, Meta(description="key of the label by which policies select pods")] = "app"
    last_part: Annotated[_Share, Meta(description="share of the window on which the proposal is tested, 0 to 1")] = 0.25
    level: Annotated[_Share, Meta(description="confidence level of all intervals, 0 to 1")] = 0.95
    dry_run: Annotated[bool, Meta(description="the proposal denies nothing, and counts what it would deny")] = True
