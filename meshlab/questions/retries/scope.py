"""Which part of the mesh the retry question is asked about."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.core.settings import check_texts

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the retry question is asked about: the whole mesh, or the ways to one service.

    Parameters
    ----------
    service : str
        A canonical service; only edges on ways to it are judged. Empty: all.
    namespace : str
        Of the service; empty for any.

    Raises
    ------
    ParameterError
        A value is no text.
    """

    service: str = ""
    namespace: str = ""

    def __post_init__(self) -> None:
        check_texts(self)
