"""Random series, and random expressions over all that the evaluator knows, as hypothesis strategies.

Two right engines differ in last digits. An expression is *exact* where none is lost: whole numbers and eighths, added,
multiplied by small numbers, chosen, counted. Only there do comparisons, ``floor`` and their like decide the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from meshlab.promql.store import STALE_BITS

START: Final = 1_769_860_800
EVERY: Final = 15
COUNT: Final = 120
Series = tuple[dict[str, str], np.ndarray, np.ndarray]
Draw = Callable[..., Any]

_JOBS = ("api", "web", "db", "", 'q"\\uote', "ünï", "a.b")
_PODS = ("p-1", "p-2", "p-3", "")
_EDGES = ("0.5", "1", "1.0", "2.5", "10", "1e1", "+Inf", "Inf", "junk", "")
_ODD = (np.nan, np.inf, -np.inf, -0.0, 0.0)


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """So many draws of a strategy, each different; the same ones for the same number."""
    found: dict[str, Any] = {}

    @seed(number)
    @settings(
        max_examples=4 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: Any) -> None:
        found.setdefault(repr(one), one)

    collect()
    return list(found.values())[:count]


@st.composite
def series_sets(draw: Draw) -> list[Series]:
    """A store: counters that restart, gauges, histograms; gaps, ends, jitter; values that are no numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found: dict[frozenset[tuple[str, str]], Series] = {}

    def put(labels: dict[str, str], at: np.ndarray, value: np.ndarray) -> None:
        kept = frozenset((k, v) for k, v in labels.items() if v)
        found.setdefault(kept, (labels, at, value))

    def times(jitter: bool) -> np.ndarray:
        at = START + EVERY * np.arange(COUNT, dtype=np.float64)
        return np.round(at + rng.uniform(0, 0.9, COUNT), 3) if jitter else at

    def holes(at: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keep = np.ones(len(at), np.bool_)
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.integers(0, COUNT - 1))
            keep[begin : begin + draw(st.integers(1, 40))] = False
        value = value.copy()
        for _ in range(draw(st.integers(0, 2))):
            value.view(np.uint64)[draw(st.integers(0, COUNT - 1))] = STALE_BITS
        return at[keep], value[keep]

    def who(name: str) -> dict[str, str]:
        some = {"__name__": name, "job": draw(st.sampled_from(_JOBS)), "pod": draw(st.sampled_from(_PODS))}
        return some | ({"zone": draw(st.sampled_from(("east", "")))} if draw(st.booleans()) else {})

    def counter(per_step: float) -> np.ndarray:
        value = np.cumsum(rng.poisson(per_step, COUNT)).astype(float)
        for cut in rng.integers(1, COUNT, draw(st.integers(0, 2))):
            value[cut:] -= value[cut]
        return value + draw(st.sampled_from((0, 0, 3, 1000)))

    shared = times(True)
    for name in ("c_total", "d_total"):
        for _ in range(draw(st.integers(2, 5))):
            at = shared if draw(st.booleans()) else times(draw(st.booleans()))
            put(who(name), *holes(at, counter(draw(st.sampled_from((0.05, 2.0, 40.0))))))
    for name in ("g", "k"):
        for _ in range(draw(st.integers(2, 5))):
            value = rng.integers(-400, 400, COUNT) / 8.0
            if draw(st.booleans()):
                value = np.repeat(value[::20], 20)[:COUNT]
            for _ in range(draw(st.sampled_from((0, 0, 1, 4)))):
                begin = draw(st.integers(0, COUNT - 1))
                value[begin : begin + draw(st.integers(1, 12))] = draw(st.sampled_from(_ODD))
            put(who(name), *holes(times(draw(st.booleans())), value))
    # No two are ever equal: which of them topk takes is no matter of taste.
    for number, pod in enumerate(("r-1", "r-2", "r-3", "r-4")):
        value = rng.integers(-50, 50, COUNT) * 8.0 + number
        put({"__name__": "rank", "job": "api" if number % 2 else "web", "pod": pod}, *holes(times(False), value))
    for pod in ("p-1", "p-2"):
        at, total = times(draw(st.booleans())), np.zeros(COUNT)
        for le in draw(st.lists(st.sampled_from(_EDGES), min_size=3, max_size=8, unique=True)):
            total = total + counter(draw(st.sampled_from((0.1, 5.0))))
            put({"__name__": "h_bucket", "job": "api", "pod": pod, "le": le}, at, total.copy())
        total = np.zeros(COUNT)
        for le in ("0.1", "1", "5", "+Inf"):
            total = total + np.cumsum(rng.poisson(4, COUNT))
            put({"__name__": "w_bucket", "job": "api", "pod": pod, "le": le}, *holes(at, total.copy()))
    return [row for row in found.values() if len(row[1])]


def _words(text: str) -> Sequence[str]:
    return text.split()


class _Writer:
    """Draws one expression."""

    selectors = _words(
        'c_total d_total g k rank w_bucket h_bucket {job="api"} {__name__=~"g|k"} {__name__=~"[cd]_total",job!=""} '
        'g{job=~"a.*|w.b"} c_total{pod!~"p-[12]"} {pod="p-1",le=""} k{job=""} nothing g{zone="east"} c_total{nope=""}'
    )
    names = _words("job pod zone le nope __name__")
    continuous = _words("abs - sort sort_desc deg rad")
    # No time of day: of what is no number, Go makes one up.
    stepped = _words(
        "ceil floor sgn sqrt ln log2 log10 exp atan sin cos tan asin acos sinh cosh tanh asinh acosh atanh"
    )
    keep_exact = _words(
        "last_over_time min_over_time max_over_time count_over_time sum_over_time present_over_time changes resets "
        "idelta"
    )
    inexact = _words("rate increase irate delta deriv avg_over_time stddev_over_time stdvar_over_time")
    also_of_inexact = _words("avg_over_time sum_over_time min_over_time max_over_time last_over_time count_over_time")

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def one(self, options: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(options))

    def some(self, share: int) -> bool:
        return bool(self._draw(st.integers(0, share - 1)) == 0)

    def labels(self, most: int = 2) -> str:
        return ", ".join(self._draw(st.lists(st.sampled_from(self.names), max_size=most, unique=True)))

    def moved(self) -> str:
        offset = self.one((" offset 1m", " offset -1m", " offset 37s", " offset 20m")) if self.some(8) else ""
        fixed = self.one((" @ start()", " @ end()", f" @ {START + 777.5}", f" @ {START + 5}")) if self.some(12) else ""
        return offset + fixed if self.some(2) else fixed + offset

    def number(self) -> str:
        return self.one(_words("0 1 2 -3 0.5 8 0x10 Inf -Inf NaN time() scalar(rank{pod='r-1'}) -(1)"))

    def finite(self) -> str:
        return self.one(_words("1 2 -3 0.5 8 0x10"))

    def selector(self) -> str:
        return f"{self.one(self.selectors)}{self.moved()}"

    def window(self, depth: int, inner: Callable[[int], str]) -> str:
        span = self.one(_words("15s 30s 1m 2m 5m 7m13s 20m"))
        if depth > 0 and self.some(4):
            return f"({inner(depth - 1)})[{span}:{self.one(('', '30s', '1m', '47s'))}]{self.moved()}"
        return f"{self.one(self.selectors)}[{span}]{self.moved()}"

    def grouping(self) -> str:
        return f"{self.one(('by', 'without'))} ({self.labels(3)})"

    def matching(self, *, groups: bool) -> str:
        how = self.one(("", f" on ({self.labels()})", f" ignoring ({self.labels()})"))
        if how and groups:
            how += self.one(("", " group_left", " group_right", " group_left (zone)", " group_right (job)"))
        return how

    def exact(self, depth: int) -> str:
        """An expression that loses no digit."""
        if depth <= 0:
            return self.selector()
        inner = depth - 1
        number = self.number()
        forms: tuple[Callable[[], str], ...] = (
            lambda: f"{self.one(self.keep_exact)}({self.window(inner, self.exact)})",
            lambda: f"{self.one(_words('sum min max count group'))} {self.grouping()} ({self.exact(inner)})",
            lambda: f"{self.one(_words('abs - ceil floor sgn sort sort_desc +'))}({self.exact(inner)})",
            lambda: f"({self.exact(inner)} {self.one(_words('+ - *'))} {self.finite()})",
            lambda: f"({number} {self.one(_words('> < >= <= == !='))}{self.one(('', ' bool'))} {self.exact(inner)})",
            lambda: f"({self.exact(inner)} {self.one(_words('> < == !='))}{self.one(('', ' bool'))} {number})",
            lambda: f"({self.exact(inner)} {self.one(('+', '-'))}{self.matching(groups=True)} {self.exact(inner)})",
            lambda: self._compared(inner),
            lambda: self._set(inner, self.exact),
            lambda: self._relabelled(inner, self.exact),
            lambda: f"round({self.exact(inner)}{self.one(('', ', 2', ', 0.5', ', -4'))})",
            lambda: f"{self.one(('clamp_min', 'clamp_max'))}({self.exact(inner)}, {number})",
            lambda: f"clamp({self.exact(inner)}, {number}, {self.number()})",
            lambda: f"{self.one(('topk', 'bottomk'))} {self.grouping()} ({self.one(('0', '1', '2.9', '9'))}, rank)",
            # By three labels, Prometheus 2.42 forgets one of them from the second step on.
            lambda: f'count_values by ({self.labels()}) ("{self.one(("v", "job"))}", {self.exact(inner)})',
            lambda: f'count_values without ({self.labels(3)}) ("{self.one(("v", "job"))}", {self.exact(inner)})',
            lambda: f"absent({self.exact(inner)})",
            lambda: f"absent_over_time({self.window(inner, self.exact)})",
            lambda: f"vector(scalar({self.exact(inner)}))",
            # Of a selector with both @ and offset, Prometheus 2.42 answers nothing.
            lambda: f"timestamp({self.exact(inner) if inner else self.one(self.selectors)})",
            lambda: f"histogram_quantile({self.one(_words('0 0.5 0.9 1 -1 2 NaN'))}, {self.exact(0)})",
        )
        return self.one(forms)()

    def any(self, depth: int) -> str:
        """Any expression; last digits may differ."""
        if depth <= 0:
            return self.selector()
        inner = depth - 1
        number = self.number()
        phi = self.one(_words("0.37 0.93 0.07 -1 2 NaN"))
        forms: tuple[Callable[[], str], ...] = (
            lambda: self.exact(depth),
            lambda: f"{self.one(self.inexact)}({self.window(inner, self.exact)})",
            lambda: f"{self.one(self.inexact)}({self.one(self.selectors)}[{self.one(_words('1m 5m 20m'))}])",
            lambda: f"{self.one(self.also_of_inexact)}({self.window(inner, self.any)})",
            lambda: f"{self.one(_words('sum avg min max'))} {self.grouping()} ({self.any(inner)})",
            lambda: f"{self.one(_words('avg stddev stdvar'))} {self.grouping()} ({self.exact(inner)})",
            lambda: f"{self.one(self.continuous)}({self.any(inner)})",
            lambda: f"{self.one(self.stepped)}({self.exact(inner)})",
            lambda: f"({self.any(inner)} {self.one(_words('+ - *'))} {self.finite()})",
            lambda: f"({self.any(inner)} / {number})",
            lambda: f"({self.exact(inner)} {self.one(_words('% ^ atan2'))} {number})",
            lambda: f"({number} {self.one(_words('/ % ^ atan2'))} {self.exact(inner)})",
            lambda: f"({self.any(inner)} {self.one(_words('+ - *'))}{self.matching(groups=True)} {self.any(inner)})",
            lambda: f"({self.any(inner)} /{self.matching(groups=True)} {self.exact(inner)})",
            lambda: f"({self.exact(inner)} {self.one(('%', 'atan2'))}{self.matching(groups=True)} {self.exact(inner)})",
            lambda: self._set(inner, self.any),
            lambda: self._relabelled(inner, self.any),
            lambda: f"quantile {self.grouping()} ({phi}, {self.any(inner)})",
            lambda: f"quantile_over_time({phi}, {self.window(inner, self.any)})",
            lambda: f"predict_linear({self.one(self.selectors)}[5m], {self.finite()})",
            lambda: f"holt_winters({self.window(0, self.any)}, 0.5, {self.one(('0.1', '0.9', '1'))})",
            lambda: f"histogram_quantile({phi}, {self.one(('', 'sum by (le) '))}(rate(w_bucket[5m]){self.moved()}))",
            lambda: f"histogram_quantile({phi}, rate({self.one(('w_bucket', 'h_bucket'))}[5m]{self.moved()}))",
            lambda: f"vector({self.one(('time() / 7', 'pi()', 'scalar(c_total)'))})",
        )
        return self.one(forms)()

    def _compared(self, depth: int) -> str:
        op = self.one(_words("> < >= <= == !=")) + self.one(("", " bool"))
        return f"({self.exact(depth)} {op}{self.matching(groups=True)} {self.exact(depth)})"

    def _set(self, depth: int, inner: Callable[[int], str]) -> str:
        return f"({inner(depth)} {self.one(_words('and or unless'))}{self.matching(groups=False)} {inner(depth)})"

    def _relabelled(self, depth: int, inner: Callable[[int], str]) -> str:
        target, source = self.one(self.names), self.one(self.names)
        if self.some(3):
            return f'label_join({inner(depth)}, "{target}", "-", "{source}", "{self.one(self.names)}")'
        pattern = self.one(("(.*)", "(.).*", "a.*", "", ".+", "(.)(.).*", "p-(?P<n>[0-9])"))
        replacement = self.one(("$1", "x$1", "", "${1}_$2", "$n"))
        return f'label_replace({inner(depth)}, "{target}", "{replacement}", "{source}", "{pattern}")'


@st.composite
def queries(draw: Draw) -> tuple[str, float | None]:
    """An expression, and the instant to ask it at, unix seconds; None for a range."""
    query = _Writer(draw).any(draw(st.integers(1, 4)))
    at = draw(st.none() | st.integers(-100, (COUNT + 40) * EVERY * 2).map(lambda half: START + half / 2))
    return query, at
