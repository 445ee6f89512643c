"""Text of several lines that a notebook shows as it is, such as YAML."""

from __future__ import annotations

from meshlab.core.sanitize import html

__all__ = ["Text"]


class Text(str):
    """Text of several lines, which a notebook shows unquoted, and a page escaped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "<pre>" + "\n".join(html(line) for line in self.splitlines()) + "</pre>"
