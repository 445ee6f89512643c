"""Kinds of values that several tables of a scenario share."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

__all__ = ["Count", "Factor", "Millis", "Name", "NameOrNone", "Percent", "PositiveMillis", "Replicas", "Share", "Text"]

Text = Annotated[str, Meta(min_length=1)]
_NAME: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_WORDS: Final = "a name of lower-case letters, digits and hyphens"
Name = Annotated[str, Meta(pattern=rf"^{_NAME}\Z", title=_WORDS, examples=["catalog"])]
NameOrNone = Annotated[str, Meta(pattern=rf"^({_NAME})?\Z", title=_WORDS, examples=["catalog"])]
Share = Annotated[float, Meta(ge=0, le=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Factor = Annotated[float, Meta(gt=0, le=1_000)]
Millis = Annotated[float, Meta(ge=0, le=600_000)]
PositiveMillis = Annotated[float, Meta(gt=0, le=60_000)]
Count = Annotated[int, Meta(ge=0)]
Replicas = Annotated[int, Meta(ge=0, le=40)]
