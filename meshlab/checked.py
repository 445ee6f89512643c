"""What was set from outside is of the type that it must be: papermill, TOML and YAML turn text into numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from meshlab.errors import ParameterError

__all__ = ["check_texts"]


def check_texts(settings: Any) -> None:
    """Check that every field of a dataclass is text.

    Parameters
    ----------
    settings : dataclass instance

    Raises
    ------
    ParameterError
        A field is something else.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        if not isinstance(value, str):
            raise ParameterError(
                f"{field.name} is the {type(value).__name__} {value!r}, and text was wanted",
                f"with papermill write -r {field.name} {value}: -p turns 1.10 into a number",
            )
