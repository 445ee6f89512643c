"""The parameters of a question's notebook, from the settings that the question declares."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from meshlab.core.declarations import Setting, describe, parameters_cell
from meshlab.core.settings import Settings
from meshlab.questions.base.contract import Question

__all__ = ["RunParameters", "parameters", "parameters_source"]


class RunParameters(Settings):
    """Whom to ask, and about which window: the same in every notebook."""

    source: Annotated[str, Meta(description="a profile, http(s)://..., a recording's name, or a path with a /")] = ""
    start: Annotated[
        str,
        Meta(description="RFC 3339, unix seconds or -30m; empty: all of a recording, the last hour of a server"),
    ] = ""
    end: Annotated[str, Meta(description="the same; empty: the recording's end, or now")] = ""
    step: Annotated[str, Meta(description="grid of the window, such as 15s; empty: chosen by its length")] = ""


RUN: Final = tuple(RunParameters.__struct_fields__)


def parameters(question: Question) -> tuple[Setting, ...]:
    """All parameters of a question's notebook that can be typed: those of a run first."""
    declared = (*describe(RunParameters), *describe(question.Settings))
    return tuple(setting for setting in declared if not setting.in_file_only)


def parameters_source(question: Question) -> str:
    """The source text of the notebook's cell tagged ``parameters``."""
    return "\n".join(
        parameters_cell(cls, {n: v for n, v in question.examples.items() if n in cls.__struct_fields__})
        for cls in (RunParameters, question.Settings)
    )
