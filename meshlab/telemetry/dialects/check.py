"""Checks that every dialect must pass, for the tests of who writes one (as scikit-learn's estimator checks are)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from meshlab.errors import ContractError, MeshlabError
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.base import DIMENSIONS, Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column, Condition
from meshlab.telemetry.dialects.dialect import REMEDIES, Dialect, every_query
from meshlab.telemetry.dialects.family import Family
from meshlab.telemetry.dialects.signal import SIGNALS
from meshlab.telemetry.mesh import Mesh

__all__ = ["Example", "check_dialect"]

_OUTCOMES: Final = ("reporter", "protocol", "code", "grpc_status", "flags", "tls")
"""Dimensions that a proxy reports: a scraper sets none of their labels."""

_START_S: Final = 1_769_860_800
_EVERY_S: Final = 15
_SCRAPES: Final = 21

Counted = dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Example:
    """A request counter as a mesh's proxies export it, and what it says.

    Parameters
    ----------
    reporter : Reporter
        The side that it is read for.
    labels : mapping of str to str
        With ``__name__``.
    dimensions : mapping of str to str
        What it says; the same dimensions in all examples of one side.
    """

    reporter: Reporter
    labels: Mapping[str, str]
    dimensions: Mapping[str, str]


def check_dialect(dialect: Dialect, examples: Sequence[Example] = ()) -> None:
    """Check a dialect: what it declares, what it asks, and what it makes of a store that holds some counters.

    Parameters
    ----------
    dialect : Dialect
    examples : sequence of Example
        Counters of different edges or outcomes. With them the whole path is run: detection, counts, durations, asking
        by each dimension, and finding the service. None: only the declarations and queries are checked.

    Raises
    ------
    ContractError
        The first check that failed: what is wrong, and what was expected.
    """
    problem = next(_problems(dialect, examples), "")
    if problem:
        raise ContractError(f"dialect {dialect.name or '(no name)'}: {problem}")


def _problems(dialect: Dialect, examples: Sequence[Example]) -> Iterator[str]:
    yield from _declared(dialect)
    yield from _asked_amiss(dialect)
    if not examples:
        return
    other = Example(Reporter.SOURCE, {"__name__": "some_other_requests_total", "code": "200"}, {})
    if _detected(dialect, _store(dialect, [other])) is not None:
        yield "it is detected in a store without any of its counters"
    adapted = _detected(dialect, _store(dialect, examples))
    if adapted is None:
        yield "it is not detected in a store that holds the examples"
        return
    yield from _declared(adapted)
    yield from _asked_amiss(adapted)
    # Durations are those of the families that the store needs.
    mesh = Mesh(_store(adapted, examples), (adapted,), "examples")
    for reporter in Reporter:
        truth = [(step, e.dimensions) for step, e in enumerate(examples, 1) if e.reporter is reporter]
        if truth:
            yield from _side(mesh, reporter, truth)


def _asked_amiss(dialect: Dialect) -> Iterator[str]:
    """What PromQL does not understand."""
    nothing = _store(dialect, ())
    for query in every_query([dialect]):
        try:
            nothing.query(query)
        except MeshlabError as error:
            yield f"{query} is not understood: {error}"


def _declared(dialect: Dialect) -> Iterator[str]:
    """What is wrong with the declarations."""
    for attribute in ("name", "looks_for", "counters", "label_pattern", "recorded_selectors"):
        if not getattr(dialect, attribute):
            yield f"{attribute} is empty"
    yield from (f"there is no remedy for {what}" for what in REMEDIES if not dialect.remedies.get(what))
    yield from (f"{name!r} is not a signal; there are {', '.join(SIGNALS)}" for name in {*dialect.signals} - {*SIGNALS})
    if not 0 < dialect.renew_after < 1:
        yield f"renew_after is {dialect.renew_after}, not a share of a certificate's life"
    for view in dialect.views.values():
        for family in view.families:
            yield from _family(dialect, family)
            if view.preferred and not family.column("reporter").labels:
                yield f"{family.requests} has preferred reporters, and no dimension reporter to tell them by"
    for signal in dialect.every_signal:
        if not signal.labels:
            yield f"the signal {signal.metric} reads no label"
        yield from _columns(signal.metric, signal.columns)
    read = (signal.metric for signal in dialect.every_signal)
    for metric in (*dialect.counters, *read):
        if metric and not _recorded(dialect, metric):
            yield f"it reads {metric}, which recorded_selectors leave out"


def _family(dialect: Dialect, family: Family) -> Iterator[str]:
    yield from _columns(family.requests, family.columns)
    yield from (f"{name!r} is not a dimension" for name in {*family.columns} - {*DIMENSIONS})
    foreign = [label for label in family.labels(_OUTCOMES) if not dialect.owns(label)]
    if foreign:
        yield f"{family.requests} reads outcomes from {', '.join(foreign)}, which label_pattern leaves to the scraper"
    for metric in filter(None, (family.requests, family.durations)):
        if not _recorded(dialect, metric):
            yield f"it reads {metric}, which recorded_selectors leave out"
    if family.durations and not (family.durations.endswith("_bucket") and family.unit_ms > 0):
        yield f"the durations {family.durations} are not buckets with a unit"


def _columns(metric: str, columns: Mapping[str, Column]) -> Iterator[str]:
    for name, column in columns.items():
        if column.cut and re.compile(column.cut).groups != 1:
            yield f"the cut of {name} ({metric}) must have one group"
        if column.form.count("{}") != 1 or column.ask.count("{}") > 1 or (column.ask and "{}" not in column.ask):
            yield f"form and ask of {name} ({metric}) must hold {{}} once"


def _recorded(dialect: Dialect, metric: str) -> bool:
    return any(
        # What is asked of other labels is left open.
        all(m.holds(metric) for m in matchers if m.name == "__name__")
        for matchers in dialect.recorded_selectors
    )


def _store(dialect: Dialect, examples: Iterable[Example]) -> Recording:
    """Counters that each rise by a number of their own a scrape, and durations of the same requests."""
    at = _START_S + _EVERY_S * np.arange(_SCRAPES)
    series = []
    for step, example in enumerate(examples, 1):
        rising = (at, 100.0 + step * np.arange(_SCRAPES))
        series.append((dict(example.labels), *rising))
        for family in _families(dialect, example):
            for le in ("1", "+Inf") if family.durations else ():
                series.append(({**example.labels, "__name__": family.durations, "le": le}, *rising))
    return Recording.from_series(series, name="examples")


def _families(dialect: Dialect, example: Example) -> list[Family]:
    return [f for f in dialect.families(example.reporter) if f.requests == example.labels["__name__"]]


def _detected(dialect: Dialect, store: Recording) -> Dialect | None:
    window = Mesh(store, (dialect,), "examples").window("-5m")
    return dialect.detect(Census.take(store, window, dialect.counters, dialect.labels))


def _side(mesh: Mesh, reporter: Reporter, truth: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[str]:
    names = [name for name in DIMENSIONS if name in truth[0][1]]
    if any({*said} != {*names} for _, said in truth):
        yield f"the examples of {reporter.value} say different dimensions"
        return
    conditions = [Condition(n, (value,)) for n in names for value in sorted({said[n] for _, said in truth})]
    for where in ([], *([condition] for condition in conditions)):
        meant = [(step, said) for step, said in truth if all(said[c.dimension] in c.values for c in where)]
        expected = _summed((tuple(said[n] for n in names), step * (_SCRAPES - 1)) for step, said in meant)
        found = _asked(mesh, reporter, names, where)
        if found != expected:
            what = f", asked for {where[0].dimension}={where[0].values[0]!r}," if where else ""
            yield f"requests of {reporter.value}{what} by {', '.join(names)} are {found}, expected {expected}"
    if any(family.durations for family in mesh.dialect.families(reporter)):
        buckets = mesh.latency_buckets(mesh.window(), names, reporter=reporter, block_ms=1000 * _EVERY_S).frame
        total = int(buckets.loc[np.isinf(buckets["le"]), "count"].sum())
        whole = sum(step for step, _ in truth) * (_SCRAPES - 1)
        if total != whole:
            yield f"durations of {reporter.value} hold {total} requests, expected {whole}"
    for service in sorted({said.get("destination_service", "") for _, said in truth} - {""}):
        subject = mesh.find(service, mesh.window())
        if service not in subject.services:
            yield f"the service {service!r} is found as {subject}"


def _asked(mesh: Mesh, reporter: Reporter, names: Sequence[str], where: Sequence[Condition]) -> Counted:
    frame = mesh.request_counts(mesh.window(), names, where, reporter=reporter, block_ms=1000 * _EVERY_S).frame
    rows = frame[[*names, "count"]].itertuples(index=False, name=None)
    return _summed((row[:-1], row[-1]) for row in rows)


def _summed(rows: Iterable[tuple[tuple[str, ...], int]]) -> Counted:
    sums: Counted = {}
    for key, count in rows:
        sums[key] = sums.get(key, 0) + int(count)
    return sums
