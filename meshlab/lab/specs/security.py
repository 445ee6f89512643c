"""Who may speak to whom and how: TLS modes, authorization, and the life of certificates."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from meshlab.core.settings import Settings
from meshlab.errors import ParameterError

__all__ = ["Authorization", "Certificates", "Mode", "Rule", "Security"]


class Mode(StrEnum):
    """What a workload's inbound side accepts."""

    PERMISSIVE = "permissive"
    STRICT = "strict"


class Rule(Settings):
    """One rule: all that it names must hold; an empty list is no condition."""

    accounts: Annotated[tuple[str, ...], Meta(description="Callers' service accounts.")] = ()
    methods: Annotated[tuple[str, ...], Meta(description="HTTP methods.")] = ()
    paths: Annotated[tuple[str, ...], Meta(description="Prefixes of paths.")] = ()


class Authorization(Settings):
    """Who may call a workload. Where there is one, everything that no rule allows is denied."""

    allow: Annotated[tuple[Rule, ...] | None, Meta(description="Enforced; nothing is when not given.")] = None
    shadow: Annotated[tuple[Rule, ...] | None, Meta(description="Counted and not enforced: a dry run.")] = None

    def __post_init__(self) -> None:
        if self.allow is None and self.shadow is None:
            raise ParameterError("it has no rules", "give it allow or shadow rules")


class Certificates(Settings):
    """The life of the workloads' certificates."""

    lifetime_s: Annotated[float, Meta(ge=10, description="From issue to expiry.")] = 30 * 86_400.0
    rotate_after: Annotated[
        float, Meta(ge=0, le=0.99, description="Share of the lifetime after which a new one is issued; 0 for never.")
    ] = 0.0


class Security(Settings):
    """All of it."""

    mode: Annotated[Mode, Meta(description="Of every workload that has none of its own.")] = Mode.PERMISSIVE
    modes: Annotated[dict[str, Mode], Meta(description="By workload.")] = field(default_factory=dict)
    authorizations: Annotated[dict[str, Authorization], Meta(description="By workload.")] = field(
        name="authorization", default_factory=dict
    )
    certificates: Certificates = Certificates()

    def mode_of(self, workload: str) -> Mode:
        """What a workload's inbound side accepts."""
        return self.modes.get(workload, self.mode)
