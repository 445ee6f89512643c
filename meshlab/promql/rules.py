"""By whose rules an expression is evaluated: those of the server that the samples came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["Rules"]

_VERSION: Final = re.compile(r"Prometheus (\d+)\.(\d+)")
_NAMES: Final = {"at once": False, "delayed": True}


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between the generations of Prometheus.

    Parameters
    ----------
    left_open : bool
        Prometheus 3: ranges and look-back without their first instant, and all else that changed with it. Otherwise
        Prometheus 2.
    version : tuple of int, or None
        Major and minor; None stands for the newest of the generation.
    delayed_names : bool or None
        Prometheus 3's switch promql-delayed-name-removal; None where nobody knows.
    """

    left_open: bool = False
    version: tuple[int, int] | None = None
    delayed_names: bool | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, object]) -> Self:
        """The rules of the engine that a manifest tells of; Prometheus 2 where it tells nothing.

        Parameters
        ----------
        manifest : mapping
            ``ranges``, ``engine`` and ``names`` are read.
        """
        version = _VERSION.match(str(manifest.get("engine", "")))
        return cls(
            left_open=manifest.get("ranges") == "left-open",
            version=(int(version[1]), int(version[2])) if version else None,
            delayed_names=_NAMES.get(str(manifest.get("names"))),
        )

    def said(self) -> dict[str, object]:
        """What a manifest says of them."""
        names = [text for text, delayed in _NAMES.items() if delayed is self.delayed_names]
        return {
            "ranges": "left-open" if self.left_open else "closed",
            **({"engine": "Prometheus {}.{}".format(*self.version)} if self.version else {}),
            **({"names": names[0]} if names else {}),
        }

    @property
    def drops_names_at_once(self) -> bool:
        """Whether a function that changes what is measured drops the metric's name at once, and nothing else."""
        return not self.left_open or self.delayed_names is False

    @property
    def matches_before_filtering(self) -> bool:
        """Whether a comparison is ambiguous by the partners that it then filters away, too (since 3.9)."""
        return self._since(3, 9)

    @property
    def joins_negated(self) -> bool:
        """Whether the unary minus joins series that are alike but never there at once (since 3.9)."""
        return self._since(3, 9)

    @property
    def warns_of_sorts(self) -> bool:
        """Whether a sort over a range, which orders nothing, is warned of (since 3.12)."""
        return self._since(3, 12)

    def _since(self, *version: int) -> bool:
        return self.left_open and (self.version is None or self.version >= version)
