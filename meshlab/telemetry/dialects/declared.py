"""Dialects that a meshlab.toml declares: for a mesh, a proxy or a library that meshlab does not know.

::

    [dialects.shop.destination]
    requests = "shop_http_requests_total"
    durations = "shop_http_request_duration_seconds_bucket"
    unit = "s"
    match = ['side="server"']
    labels = { destination_service = "service", destination_namespace = "namespace", source = "peer" }
    success = { label = "outcome", values = ["ok"] }
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, field

from meshlab.config import Labels
from meshlab.core.selector import equal, one_of, parse_matcher
from meshlab.core.settings import Settings, convert
from meshlab.core.suggest import suggest
from meshlab.errors import ConfigError, ParameterError
from meshlab.telemetry.dialects.base import DIMENSIONS, Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["DeclaredDialect", "Side", "Success", "declared"]

_TARGET: Final = frozenset({"job", "instance", "pod", "namespace", "node", "container", "endpoint", "cluster"})
"""Labels that describe the scraped target, whatever is read from them."""
_GOOD, _BAD = "2xx", "5xx"


class Unit(StrEnum):
    """Of the edges of durations."""

    MILLISECONDS = "ms"
    SECONDS = "s"


class Success(Settings):
    """Which requests succeeded, where no label holds a code."""

    label: Annotated[str, Meta(min_length=1, description="The label that tells it.")]
    values: Annotated[tuple[str, ...], Meta(min_length=1, description="Its values of requests that succeeded.")]


class Side(Settings):
    """Requests as one side of an edge reports them."""

    requests: Annotated[str, Meta(min_length=1, description="The counter of requests.")]
    labels: Annotated[Labels, Meta(description="From dimensions to labels; `destination_service` at least.")]
    durations: Annotated[
        str,
        Meta(pattern=r"^(.+_bucket)?\Z", title="a name that ends with _bucket", description="Buckets of durations."),
    ] = ""
    unit: Annotated[Unit, Meta(description="Of the buckets' edges.")] = Unit.MILLISECONDS
    match: Annotated[
        tuple[str, ...], Meta(description='What selects this side\'s series, such as `reporter="server"`.')
    ] = ()
    success: Annotated[
        Success | None, Meta(description="Which requests succeeded, where no label holds a code (`2xx`, others `5xx`).")
    ] = None
    attempts: Annotated[bool, Meta(description="Whether each attempt is counted, and not each request once.")] = False
    other_labels: Annotated[
        tuple[str, ...], Meta(description="More labels of the counter that do not describe the scraped target.")
    ] = ()

    def __post_init__(self) -> None:
        for name in self.labels:
            if name not in DIMENSIONS:
                raise ParameterError(f"{name!r} is not a dimension", suggest(name, DIMENSIONS))
        if not self.labels.get("destination_service"):
            raise ParameterError("no label names the called service", 'write labels = { destination_service = "..." }')
        if self.success is not None and "code" in self.labels:
            raise ParameterError("both a label of codes and success are given", "keep one of them")
        for label in (*self.labels.values(), *self.other_labels, *([self.success.label] if self.success else [])):
            if label:
                equal(label, "")
        for text in self.match:
            parse_matcher(text)

    @property
    def owned(self) -> set[str]:
        """The labels that the mesh itself sets."""
        said = {*self.labels.values(), *(parse_matcher(text).name for text in self.match)} - _TARGET
        return {*said, *self.other_labels, *([self.success.label] if self.success else [])} - {""}

    def family(self, reporter: Reporter) -> Family:
        """What it declares."""
        columns = {name: Column((label,) if label else ()) for name, label in self.labels.items()}
        if self.success is not None:
            label, good = self.success.label, "|".join(map(re.escape, self.success.values))
            columns["code"] = Column(
                (label,),
                never=rf"(?s)(?!(?:{good})\Z).*",
                spelling=dict.fromkeys(self.success.values, _GOOD),
                otherwise=(label, "(?s).+", _BAD),
            )
        return Family(
            requests=self.requests,
            durations=self.durations,
            unit_ms=1000.0 if self.unit is Unit.SECONDS else 1.0,
            columns={"reporter": Column(constant=reporter.value), **columns},
            matchers=tuple(parse_matcher(text) for text in self.match),
            counts_attempts=self.attempts,
        )


class DeclaredDialect(Settings):
    """A mesh by the names of its metrics and labels: one side of its edges, or both."""

    source: Annotated[Side | None, Meta(description="Requests as callers report them.")] = None
    destination: Annotated[Side | None, Meta(description="Requests as called workloads report them.")] = None

    def __post_init__(self) -> None:
        if self.source is None and self.destination is None:
            raise ParameterError("neither source nor destination is declared", "declare at least one side")

    def dialect(self, name: str) -> Dialect:
        """The dialect of that name."""
        sides = {r: side for r, side in zip(Reporter, (self.source, self.destination), strict=True) if side}
        counters = tuple(dict.fromkeys(side.requests for side in sides.values()))
        durations = {s.durations.removesuffix("_bucket") for s in sides.values() if s.durations}
        named = [*counters, *(f"{stem}_{part}" for stem in sorted(durations) for part in ("bucket", "count", "sum"))]
        owned = sorted({label for side in sides.values() for label in side.owned})
        return Dialect(
            name=name,
            looks_for=f"{', '.join(counters)}, as meshlab.toml declares it",
            counters=counters,
            views={reporter: View((side.family(reporter),)) for reporter, side in sides.items()},
            label_pattern="|".join(("__name__", "le", *map(re.escape, owned))),
            recorded_selectors=((one_of("__name__", named),),),
            remedies={
                **{r.value: f"declare [dialects.{name}.{r.value}] in meshlab.toml" for r in Reporter},
                "latency": f"declare durations in [dialects.{name}.*] in meshlab.toml",
            },
        )


class _Named(Settings):
    dialects: Annotated[dict[str, DeclaredDialect], Meta(description="By name.")] = field(default_factory=dict)


def declared(tables: Mapping[str, Any], what: str) -> dict[str, Dialect]:
    """The dialects of a file.

    Parameters
    ----------
    tables : mapping of str to object
        The tables ``[dialects.NAME]``.
    what : str
        The file, for messages.

    Raises
    ------
    ConfigError
        A table declares none.
    """
    found = convert(_Named, {"dialects": tables}, what=what, error=ConfigError)
    return {name: each.dialect(name) for name, each in found.dialects.items()}
