"""Random stores of request counters with a known truth: pods, ports, jobs, clusters, resets, late series, replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshlab.core.selector import equal
from meshlab.core.window import Window
from meshlab.telemetry.dialects.base import DIMENSIONS, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.dialects.istio import ISTIO
from meshlab.telemetry.mesh import Mesh

START, EVERY_S, SCRAPES = 1_769_860_800, 15, 60
Series = tuple[dict[str, str], np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Counter:
    """A counter of one proxy, and how much it rose until each scrape; those before `known` rose unseen."""

    labels: Mapping[str, str]
    at: np.ndarray
    rise: np.ndarray
    known: int

    def counted(self, window: Window) -> int:
        """What rose within a window, by the scrapes."""
        ms = np.rint(self.at * 1000)
        inside = (ms > window.start_ms) & (ms <= window.end_ms)
        inside[: self.known] = False
        return int(self.rise[inside].sum())


@dataclass(frozen=True)
class Store:
    """Series, and the counters behind them."""

    series: list[Series]
    counters: list[Counter]
    options: MeshOptions

    @property
    def dialect(self) -> Dialect:
        """Istio's, as the store's options have it."""
        return ISTIO.with_options(self.options)

    def truth(self, window: Window, where: Sequence[Condition], reporter: Reporter) -> int:
        """Requests of some dimensions in a window."""
        columns = ISTIO.views[reporter].families[0].columns
        asked = {condition: columns[condition.dimension].labels[0] for condition in where}
        return sum(
            counter.counted(window)
            for counter in self.counters
            if counter.labels["reporter"] == reporter
            and all(counter.labels[label] in condition.values for condition, label in asked.items())
        )


def store(seed: int, *, jobs: int = 1, replicas: int = 1, up: bool = True, name: str = "") -> Store:
    """A random store.

    Parameters
    ----------
    seed : int
    jobs : int
        How many jobs scrape each proxy, seven seconds apart; the first one misses no scrape.
    replicas : int
        How many replicas of Prometheus there are; the first one misses no scrape.
    up : bool
        Whether it holds `up`.
    name : str
        The label ``store`` of all series, and what stands in every selector; empty: none.
    """
    rng = np.random.default_rng(seed)
    series: list[Series] = []
    counters: list[Counter] = []
    for pod in range(int(rng.integers(3, 7))):
        cluster, service = str(rng.choice(["east", "west"])), str(rng.choice(["catalog", "cart"]))
        # A pod is there from the start, or comes; a process is started anew now and then.
        born = 0 if rng.random() < 0.6 else int(rng.integers(1, SCRAPES // 2))
        ended = SCRAPES if rng.random() < 0.7 else int(rng.integers(born + 5, SCRAPES + 1))
        restarts = {int(k) for k in rng.integers(born + 1, SCRAPES, rng.integers(0, 3))}
        offset = float(rng.integers(0, 7000)) / 1000
        target = {"namespace": "shop", "pod": f"{service}-{pod}", "cluster": cluster}
        at = START + offset + EVERY_S * np.arange(born, ended)
        if up:
            series += scraped({"__name__": "up", **target}, at, np.ones(len(at)), None, pod, jobs, replicas)
        for _ in range(int(rng.integers(2, 7))):
            labels = {"__name__": "istio_requests_total", **target, **edge(rng, service, cluster, pod)}
            if any(labels == {**counter.labels} for counter in counters):
                continue
            rise = rng.poisson(rng.choice([0.1, 1.0, 8.0]), len(at))
            rise[: int(rng.integers(0, len(at)))] *= int(rng.random() < 0.5)
            # Nothing happens at the end: all scrapers have seen the same.
            rise[-2:] = 0
            cuts = np.array([k in restarts for k in range(born, ended)])
            value = counted(rise, cuts)
            seen = int(np.flatnonzero(value)[0]) if value.any() else len(value)
            if rng.random() < 0.5:
                # It was there before the pod was first scraped.
                seen, value = 0, value + np.where(np.cumsum(cuts) == 0, 1000, 0)
            if seen < len(value):
                # A restart that leaves no fall is one that nobody can see.
                risen = np.diff(value, prepend=0.0)
                rise = np.where(risen < 0, value, risen).astype(np.int64)
                series += scraped(labels, at[seen:], value[seen:], rise[seen:], pod, jobs, replicas)
                counters.append(Counter(labels, at, rise, 1))
    series = [({**labels, **({"store": name} if name else {})}, at, value) for labels, at, value in series]
    forced = (equal("store", name),) if name else ()
    return Store(series, counters, MeshOptions(forced=forced, replica_label="replica_of" if replicas > 1 else ""))


def edge(rng: np.random.Generator, service: str, cluster: str, pod: int) -> dict[str, str]:
    """What a proxy says of one edge and outcome."""
    source = bool(rng.random() < 0.5)
    other = str(rng.choice(["ledger", "stock", "prices"]))
    caller, called = (service, other) if source else (other, service)
    version = str(rng.choice(["v1", "v2"]))
    return {
        "reporter": "source" if source else "destination",
        "source_workload": caller,
        "source_workload_namespace": "shop",
        "destination_workload": f"{called}-{version}",
        "destination_workload_namespace": str(rng.choice(["shop", "bank"])),
        "destination_canonical_service": called,
        "destination_version": version,
        "destination_cluster": cluster,
        "response_code": str(rng.choice(["200", "404", "503"])),
        "response_flags": str(rng.choice(["-", "UF"])),
    }


def counted(rise: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """A counter that begins anew at its process's restarts."""
    total = np.cumsum(rise)
    before = np.maximum.accumulate(np.where(cuts, total - rise, 0))
    return np.asarray(total - before, np.float64)


def scraped(
    labels: dict[str, str],
    at: np.ndarray,
    value: np.ndarray,
    rise: np.ndarray | None,
    pod: int,
    jobs: int,
    replicas: int,
) -> Iterator[Series]:
    """A counter as several scrapers saw it: later ones a part of what rose meanwhile, and not at all at some times."""
    for job in range(jobs):
        for replica in range(replicas):
            late_s = 7.0 * job + 2.0 * replica
            ahead = np.r_[np.diff(value), 0.0].clip(min=0) if rise is not None else np.zeros(len(at))
            read = value + np.floor(ahead * late_s / EVERY_S)
            keep = np.ones(len(at), np.bool_)
            if job or replica:
                keep = (np.rint((at - START) // EVERY_S).astype(int) + pod) % 5 != 0
            if not keep.any():
                continue
            own = {"job": ("pods", "annotated", "envoy")[job], "instance": f"10.0.0.{pod}:{15020 + 70 * job}"}
            own |= {"replica_of": str(replica)} if replicas > 1 else {}
            own |= {"endpoint": "http-envoy-prom"} if job else {}
            yield {**labels, **own}, at[keep] + late_s, read[keep]


def windows(rng: np.random.Generator, count: int) -> list[Window]:
    """Random windows, of a minute at least."""
    found = []
    for _ in range(count):
        first = int(rng.integers(0, SCRAPES // 2))
        last = first + int(rng.integers(4, SCRAPES - first))
        found.append(Window((START + first * EVERY_S) * 1000, (START + last * EVERY_S) * 1000, EVERY_S * 1000))
    return found


def question(
    rng: np.random.Generator, among: Sequence[Window]
) -> tuple[Window, tuple[str, ...], list[Condition], Reporter]:
    """One of some windows, some dimensions to group by and some to narrow by."""
    window = among[int(rng.integers(len(among)))]
    values = {
        "code": ("200", "404", "503"),
        "flags": ("-", "UF"),
        "destination_version": ("v1", "v2"),
        "destination_service": ("catalog", "cart", "ledger", "stock", "prices"),
        "destination_namespace": ("shop", "bank"),
        "destination_cluster": ("east", "west"),
        "source": ("catalog", "cart", "ledger", "stock", "prices"),
    }
    names = rng.choice(list(values), int(rng.integers(0, 4)), replace=False)
    where = [
        Condition(str(name), tuple(str(v) for v in rng.choice(values[name], int(rng.integers(1, 3)), replace=False)))
        for name in names
    ]
    by = tuple(
        str(name) for name in rng.choice([*values, "destination_workload"], int(rng.integers(0, 4)), replace=False)
    )
    assert {*by} <= {*DIMENSIONS}
    return window, by, where, Reporter(str(rng.choice(["source", "destination"])))


def total(mesh: Mesh, asked: tuple[Window, tuple[str, ...], list[Condition], Reporter]) -> int:
    """What meshlab counts."""
    window, by, where, reporter = asked
    return int(mesh.request_counts(window, by, where, reporter=reporter, block_ms=EVERY_S * 1000).value.sum())
