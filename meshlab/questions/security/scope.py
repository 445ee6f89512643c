"""Which part of the mesh the security question is asked about."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.core.settings import check_texts

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the security question is asked about.

    Parameters
    ----------
    namespace : str
        Of the called workloads; empty for all.

    Raises
    ------
    ParameterError
        The namespace is no text.
    """

    namespace: str = ""

    def __post_init__(self) -> None:
        check_texts(self)
