"""What was set from outside is of the type that it must be: papermill, TOML and YAML turn text into numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from meshlab.errors import ParameterError

__all__ = ["check_kinds", "check_texts"]

_KINDS: Final[dict[type, tuple[tuple[type, ...], str]]] = {
    float: ((int, float), "a number"),
    int: ((int,), "a whole number"),
    str: ((str,), "text"),
}


def check_kinds(settings: Any) -> None:
    """Check that every field of a dataclass is of its default's kind: a number, a whole number, or text.

    Parameters
    ----------
    settings : dataclass instance
        Each field has a default.

    Raises
    ------
    ParameterError
        A field is something else.
    """
    for field in fields(settings):
        value, usual = getattr(settings, field.name), field.default
        kinds, wanted = _KINDS[type(usual)]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ParameterError(f"{field.name} is {value!r}, and {wanted} was wanted", f"such as {usual!r}")


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
