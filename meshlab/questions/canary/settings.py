"""What counts as worse, and how sure one must be: the one table of the canary question's settings."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.stats.shares import Margin

__all__ = ["METRICS", "Policy"]

METRICS: Final = ("errors", "latency", "slow", "segments")
"""What may fail a canary."""

_RANGES: Final = {
    "error_same_relative": (0.0, 100.0),
    "error_margin_points": (0.0, 100.0),
    "error_margin_relative": (0.0, 100.0),
    "latency_margin": (0.0, 0.5),
    "slow_same_relative": (0.0, 100.0),
    "slow_margin_points": (0.0, 100.0),
    "slow_margin_relative": (0.0, 100.0),
    "alpha": (0.0, 0.5),
    "block_s": (0, 3600),
}
_STAKES: Final = MappingProxyType({"errors": 0.7, "latency": 0.1, "slow": 0.1, "segments": 0.1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of the canary judge; the defaults stand in ``policy.toml`` beside this module.

    Each metric has two margins. Up to the first the arms count as the same: a canary is never failed for less. From
    the second on it is not tolerated: a canary is never passed with more. Between them either may come out, and where
    both are shown (worse beyond doubt, and tolerable beyond doubt) it is a warning.

    Parameters
    ----------
    alpha : float
        Probability of a false alarm over all looks and metrics together. The same probability bounds a false PASS.
    block_s : int
        Length of a time block, seconds: at least two scrape intervals.
    warm_up_s : int
        Seconds that are left out after the canary's start, where it starts inside the window.
    min_coverage : float
        Share of the window's blocks that both arms must have data in.
    canary_weight : float
        Intended share of requests for the canary (of both arms together), 0..1; 0 when not given.
    error_same_relative : float
        Part of the baseline's error share by which the canary may fail more often and count as the same.
    error_margin_points : float
        Percentage points by which the canary's error share may be larger...
    error_margin_relative : float
        ...or this part of the baseline's own, whichever is more.
    latency_margin : float
        How far the probability that a canary request is slower than a baseline request may lie above one half.
    slo_ms : tuple of float
        Latency objectives, milliseconds. Empty: every bucket edge above the baseline's median.
    slow_same_relative, slow_margin_points, slow_margin_relative : float
        As those of errors, for the share of requests above an objective.
    stakes : mapping of str to float
        Parts of alpha for a false alarm of ``errors``, ``latency``, ``slow`` and ``segments``; they add up to 1.

    Raises
    ------
    ParameterError
        A value outside its range.
    """

    alpha: float = 0.02
    block_s: int = 15
    warm_up_s: int = 60
    min_coverage: float = 0.8
    canary_weight: float = 0.0
    error_same_relative: float = 0.03
    error_margin_points: float = 0.5
    error_margin_relative: float = 0.5
    latency_margin: float = 0.03
    slo_ms: tuple[float, ...] = ()
    slow_same_relative: float = 0.25
    slow_margin_points: float = 1.0
    slow_margin_relative: float = 0.5
    stakes: Mapping[str, float] = field(default_factory=lambda: _STAKES)

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = _number(name, getattr(self, name), f"write {name} = {high / 10:g}")
            if not low < value <= high:
                raise ParameterError(f"{name} is {value}", f"give a number above {low:g} and at most {high:g}")
        for name in ("block_s", "warm_up_s"):
            if not isinstance(getattr(self, name), int):
                raise ParameterError(f"{name} is {getattr(self, name)!r}", "give whole seconds, such as 15")
        for name in ("canary_weight", "min_coverage", "warm_up_s"):
            top = math.inf if name == "warm_up_s" else 1
            if not 0 <= _number(name, getattr(self, name), "give a number") < top:
                raise ParameterError(f"{name} is {getattr(self, name)!r}", "give a share, such as 0.25; 0 for none")
        object.__setattr__(self, "slo_ms", _edges(self.slo_ms))
        self._check_stakes()

    def _check_stakes(self) -> None:
        if not isinstance(self.stakes, Mapping) or set(self.stakes) != set(METRICS):
            raise ParameterError(f"stakes are {self.stakes!r}", f"give a part of alpha to each of {', '.join(METRICS)}")
        parts = [_number(f"stakes.{name}", part, "give a share, such as 0.25") for name, part in self.stakes.items()]
        if min(parts) <= 0 or abs(sum(parts) - 1) > 1e-9:
            raise ParameterError(f"stakes add up to {sum(parts):g}", "give shares above 0 that add up to 1")
        object.__setattr__(self, "stakes", MappingProxyType(dict(self.stakes)))

    @classmethod
    def read(cls, path: str | Path, **changes: object) -> Policy:
        """Read a policy file.

        Parameters
        ----------
        path : str or Path
            A TOML file with the fields of this class; those that it leaves out keep their defaults.
        **changes : object
            Fields that are set after the file was read.

        Raises
        ------
        ParameterError
            It cannot be read, is no TOML, names an unknown setting, or a value is outside its range.
        """
        shown = plain(str(path))
        try:
            found = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        except OSError as error:
            raise ParameterError(
                f"the policy {shown} cannot be read: {error.strerror or error}", "give the path of a TOML file"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ParameterError(f"the policy {shown} is no TOML: {error}", "write lines like alpha = 0.02") from error
        known = {one.name for one in fields(cls)}
        for name in found:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise ParameterError(
                    f"the policy {shown} sets {name!r}, which nothing knows",
                    f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}",
                )
        if isinstance(found.get("stakes"), dict):
            found["stakes"] = {**_STAKES, **found["stakes"]}
        return cls(**{**found, **changes})

    @property
    def error_margin(self) -> Margin:
        """What is tolerated of errors, in shares."""
        return Margin(self.error_margin_points / 100.0, self.error_margin_relative)

    @property
    def slow_margin(self) -> Margin:
        """What is tolerated of slow requests, in shares."""
        return Margin(self.slow_margin_points / 100.0, self.slow_margin_relative)

    @property
    def block_ms(self) -> int:
        """Length of a block in milliseconds."""
        return self.block_s * 1000

    @property
    def level(self) -> float:
        """Confidence level of the intervals shown, 0..1."""
        return 1.0 - self.alpha

    @property
    def enough(self) -> float:
        """Natural log of the evidence that settles one hypothesis at alpha."""
        return math.log(1.0 / self.alpha)


def _number(name: str, value: object, remedy: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{name} is {value!r}, and a number was wanted", remedy)
    return value


def _edges(given: object) -> tuple[float, ...]:
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = (given,) if given else ()
    if not isinstance(given, tuple | list):
        raise ParameterError(f"slo_ms is {given!r}", "give milliseconds, such as [250, 1000]")
    edges = tuple(float(_number("slo_ms", one, "give milliseconds, such as [250, 1000]")) for one in given)
    if any(not 0 < edge < math.inf for edge in edges):
        raise ParameterError(f"slo_ms is {given!r}", "give milliseconds above 0")
    return edges
