"""On the same samples, the embedded evaluator and a real Prometheus give the same answers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from agreement import COUNT, EVERY, QUERIES, START, WINDOW, Series, dataset, disagreement
from binaries import Generation
from real_prometheus import openmetrics, rules_of, serving
from remote_write import write_request, written_to

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery
from meshlab.promql.store import STALE_BITS
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.dialect import every_query
from meshlab.telemetry.dialects.istio import ISTIO as DIALECT

pytestmark = pytest.mark.live

Pair = tuple[Recording, PrometheusEngine]
AT = datetime.fromtimestamp(START + 2000.5, UTC)
LARGEST = 1e6


def odd_series() -> Iterator[Series]:
    """What a well-kept store does not have: two spellings of ``le``, text of all kinds, a sample alone, no labels."""
    rng = np.random.default_rng(7)
    at = START + EVERY * np.arange(COUNT)

    def counter(rate: float) -> np.ndarray:
        return np.cumsum(rng.poisson(rate, COUNT)).astype(float)

    for pod, le in (("a", "1"), ("b", "1.0"), ("a", "+Inf"), ("b", "Inf"), ("a", "0.5"), ("b", "5e-1"), ("b", "junk")):
        yield {"__name__": "messy_bucket", "pod": pod, "le": le}, at, counter(6)
    some = counter(3)
    some[30:40] = np.nan
    for le, value in (("0.1", some), ("1", some + 5), ("2", counter(3)), ("+Inf", counter(9))):
        yield {"__name__": "messy_bucket", "pod": "n", "le": le}, at, value
    zeros = np.zeros(COUNT)
    zeros[50:60] = -0.0
    yield {"__name__": "tiny", "job": "a"}, at, rng.integers(0, 2, COUNT).astype(float)
    yield {"__name__": "tiny", "job": "b"}, at, zeros
    for number, (job, instance) in enumerate(
        (("line\nbreak", "tab\tend"), ("ÄÖ straße K", "$1 ${x}"), ("end\n", "٣٤"), ('q"\\', "{}[]()"))
    ):
        yield {"__name__": "text", "job": job, "instance": instance}, at, np.arange(COUNT) * (number + 1.0)
    yield {"__name__": "bare"}, at, np.arange(COUNT) * 1.0
    yield {"__name__": "dense", "job": "d"}, START + np.arange(600.0), np.cumsum(rng.poisson(2, 600)).astype(float)
    yield {"__name__": "once", "job": "o"}, at[100:101], np.array([5.0])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, generation: Generation) -> Iterator[Pair]:
    series = [*dataset(), *odd_series()]
    folder = tmp_path_factory.mktemp("prometheus")
    binaries = {"prometheus": generation.prometheus, "promtool": generation.promtool}
    with serving(folder, openmetrics(series), **binaries) as url:
        yield beside(PrometheusEngine(url), series)


def beside(engine: PrometheusEngine, series: list[Series]) -> Pair:
    """A recording of the same samples, by the engine's own rules."""
    return Recording.from_series(series, rules=rules_of(engine)), engine


_DETAILS = re.compile(r" for metric name .*|, from buckets .*| \(\d+:\d+\)$")
EMPTY_ON_PURPOSE = {'requests_total{job="nothing"}', "clamp(temperature, 10, -10)"}
ISTIO = (
    "sum by (destination_version, response_code) "
    '(rate(istio_requests_total{reporter="source",destination_canonical_service="catalog"}[30s]))',
    "histogram_quantile(0.95, sum by (le, destination_version) "
    '(rate(istio_request_duration_milliseconds_bucket{reporter="source"}[1m])))',
    "sum by (source_workload, destination_version) "
    '(increase(istio_requests_total{reporter="destination",response_code=~"5.."}[5m]))',
)
ODD = r"""
histogram_quantile(0.9, messy_bucket)
histogram_quantile(0.5, sum by (le) (messy_bucket))
histogram_quantile(0.001, sum by (le) (rate(messy_bucket[5m])))
histogram_quantile(0.9, -latency_bucket)
histogram_quantile(0.9, latency_bucket / (latency_bucket * 0))
histogram_quantile(scalar(tiny{job="a"}), latency_bucket)
stddev by (job, note) (odd)
stdvar(odd)
count_values("v", tiny)
count_values without (v) ("v", tiny)
topk(2.9, temperature)
clamp(temperature, -Inf, Inf)
clamp_min(odd, Inf)
clamp_max(odd, -Inf)
minute(vector(-60.5))
day_of_week(vector(-86400.5))
hour(temperature)
absent(nothing{job!="b",job="a"})
absent(nothing{job="b",job!="a"})
absent(((nothing{job="b"})))
absent_over_time(nothing{job="b"}[5m:1m])
absent_over_time(once[30s])
timestamp(once)
timestamp(sum(temperature @ 1769862000))
label_replace(text, "x", "$1-$2-${1}-$0-$$", "instance", "(.)(.*)")
label_replace(text, "x", "$name", "job", "(?P<name>.*)")
label_replace(text, "x", "$1", "job", "(?i)(.*)k")
label_replace(text, "x", "$1", "job", "(\\w+).*")
label_replace(text, "x", "$1", "instance", "(\\d+).*")
label_replace(text, "x", "$1", "job", "(?s)(.*)")
label_replace(text, "x", "$1", "job", "([[:alpha:]]+).*")
label_replace(text, "x", "$1", "job", "(\\pL+).*")
label_replace(text, "x", "$1/$2", "job", "(?U)(.*)(.*)")
label_replace(text, "x", "$1", "job", "\\Qline\\E(.*)\n(.*)")
label_replace(text, "x", "$1", "job", "(end)$")
label_replace(text, "x", "${1_y$", "job", "(e)(n)(d)\\s")
label_replace(text, "x", "\\1", "job", "(e)(n)(d)\\s")
label_replace(text, "x", "v", "nope", "")
text{job=~"line\nbreak"}
text{job=~"(?s)line.break"}
text{job=~"(?i)äö STRAßE k"}
text{instance=~"\\pN+"}
text{instance=~"\\$1 .*"}
text{job!~".*K"}
count({job=~"|api",instance!=""})
bare * on() group_right temperature
sum(bare) / on() group_right() temperature
bare + bare
max_over_time(max_over_time(temperature[1m:30s])[100s:1m])
avg_over_time((temperature @ end() offset 10m)[5m:1m] offset 1m)
rate(requests_total[5m:] offset -3m)
sum_over_time(vector(time())[5m:1m] @ end())
rate(dense[1m])
increase(dense[1h])
deriv(dense[1h])
quantile_over_time(0.5, dense[1h])
quantile_over_time(scalar(tiny{job="a"}), temperature[5m])
predict_linear(temperature[5m] offset 1m, scalar(tiny{job="a"}) * 100)
stddev_over_time(once[5m])
last_over_time(once[5m])
once or temperature
temperature unless on() once
temperature and on() once
odd % 3
odd ^ 0
odd atan2 odd
1 / tiny
round(odd, 0)
round(temperature, -5)
temperature > bool NaN
{__name__=~"temperature|limit"} > 1
requests_total >= bool on(job, instance, __name__) requests_total
requests_total + on(job, instance) group_left(__name__) errors_total
sum by (__name__) ({__name__=~"temperature|limit"})
temperature + 0x1F - 017
stddev_over_time((16 ^ requests_total)[5m:1m])
stdvar_over_time((temperature * 1e200)[5m:1m])
stdvar_over_time((limit * 0.001)[7m:15s]) == 0
stddev(label_replace(limit{job="api"}, "x", "1", "", "") * 0.001 or bare * 0 + 0.1) == 0
""".strip().splitlines()


def beside_it(found: SeriesSet) -> set[str]:
    """What an engine says beside an answer, without places and numbers; Prometheus 2 says nothing."""
    return {_DETAILS.sub("", text) for text in (*found.query.warnings, *found.query.infos)}


@pytest.mark.parametrize("query", [*QUERIES, *ISTIO, *ODD])
def test_over_a_range(both: Pair, query: str) -> None:
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
    assert bool(len(theirs)) != (query in EMPTY_ON_PURPOSE)
    assert disagreement(ours, theirs, LARGEST) == ""
    assert beside_it(ours) == beside_it(theirs)


@pytest.mark.parametrize("query", [*QUERIES, *ISTIO, *ODD])
def test_at_an_instant(both: Pair, query: str) -> None:
    ours, theirs = (engine.query(query, AT) for engine in both)
    assert disagreement(ours, theirs, LARGEST) == ""
    assert beside_it(ours) == beside_it(theirs)
    if query.startswith(("sort", "topk", "bottomk")):
        np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-9)


SINCE_3 = r"""
histogram_fraction(0.01, 1, rate(latency_bucket[5m]))
histogram_fraction(-Inf, 0.05, latency_bucket)
histogram_fraction(0.5, Inf, messy_bucket)
histogram_fraction(1, 0.5, messy_bucket)
histogram_quantile(0.9, latency_bucket / 3)
mad_over_time(temperature[10m])
ts_of_min_over_time(temperature[10m])
ts_of_max_over_time(odd[5m])
ts_of_last_over_time(requests_total[5m])
double_exponential_smoothing(temperature[10m], 0.5, 0.1)
quantile_over_time(scalar(tiny{job="a"}) * 2, temperature[5m])
quantile(pi(), temperature)
quantile(-1e-7, temperature)
rate(temperature[5m])
increase({__name__=~"temperature|limit"}[5m])
rate(last_over_time(limit[1m])[5m:1m])
sort_by_label(temperature, "instance", "job")
sort_by_label_desc(temperature, "job")
topk by (job) (1, temperature)
topk(3, {__name__="temperature"})
{"temperature", job="api"}
absent(nothing{a!="b",a="c",d=~"e",d="f",g=""})
absent(nothing{a="b",a="c",g!~"h",g="i"})
-{__name__=~"limit|bare"}
""".strip().splitlines()


@pytest.fixture(scope="module")
def both_of_3(tmp_path_factory: pytest.TempPathFactory, newer: Generation) -> Iterator[Pair]:
    series = [*dataset(), *odd_series()]
    binaries = {"prometheus": newer.prometheus, "promtool": newer.promtool}
    with serving(tmp_path_factory.mktemp("prometheus-3"), openmetrics(series), **binaries) as url:
        yield beside(PrometheusEngine(url), series)


@pytest.mark.parametrize("query", SINCE_3)
def test_what_prometheus_3_alone_knows(both_of_3: Pair, query: str) -> None:
    assert both_of_3[1].left_open
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both_of_3)
    assert len(theirs) > 0
    assert disagreement(ours, theirs, LARGEST) == ""
    assert beside_it(ours) == beside_it(theirs)
    ours, theirs = (engine.query(query, AT) for engine in both_of_3)
    assert disagreement(ours, theirs, LARGEST) == ""
    assert beside_it(ours) == beside_it(theirs)
    if query.startswith(("sort", "topk")):
        assert ours.labels.equals(theirs.labels)


@pytest.mark.parametrize("query", every_query([DIALECT]))
def test_all_that_the_istio_dialect_says(both: Pair, query: str) -> None:
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
    assert len(theirs) > 0
    assert disagreement(ours, theirs, LARGEST) == ""


@pytest.mark.parametrize(
    "query", ["requests_total[3m]", 'temperature{job="api"}[2m] offset 1m', "temperature[5m:1m]", "dense[5m:7s]"]
)
def test_raw_samples(both: Pair, query: str) -> None:
    at = datetime.fromtimestamp(START + 500.5, UTC)
    assert len(both[1].query(query, at)) > 0
    assert disagreement(both[0].query(query, at), both[1].query(query, at), LARGEST) == ""


@pytest.mark.parametrize("selector", ["requests_total", '{job="gap"}', "istio_requests_total", "text"])
def test_samples_and_series_of_a_window(both: Pair, selector: str) -> None:
    ours, theirs = (engine.samples(selector, WINDOW) for engine in both)
    assert len(theirs.sid) > 0
    assert disagreement(ours, theirs, LARGEST) == ""
    tables = [engine.series(selector, WINDOW).labels for engine in both]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    "query",
    [
        "requests_total + on(job) errors_total",
        "temperature / on(job) limit",
        "limit * on(job) group_left temperature",
        "temperature + on() bare",
        '{__name__=~"requests_total|errors_total"} > temperature',
        '{__name__=~"requests_total|errors_total"} atan2 temperature',
        '{__name__=~"temperature|odd|limit|once|tiny|requests_total"} + 1',
        'rate({__name__=~"requests_total|errors_total"}[5m])',
        "-(last_over_time(limit[1m]) or ignoring(job) (limit % NaN))",
        'label_replace(temperature, "instance", "same", "job", ".*")',
        'label_replace(temperature, "x", "", "job", "(?=a)")',
        'label_replace(nothing, "x", "", "job", "(")',
        'label_join(temperature, "instance", "", "nope")',
        "topk(NaN, temperature)",
        "bottomk(Inf, temperature)",
        "topk(scalar(temperature), temperature)",
        "rate(",
        "rate(requests_total)",
        "requests_total[5m]",
        "temperature[5m] + 1",
        "1 > 2",
        "temperature and 1",
        'requests_total{job=~"("}',
        'requests_total{job=~"a++"}',
        '{job=~".*"}',
        '"text"',
    ],
)
def test_both_refuse(both: Pair, query: str) -> None:
    for engine in both:
        with pytest.raises(BadQuery):
            engine.query_range(query, WINDOW)


@pytest.mark.parametrize(
    "query",
    [
        'label_replace(temperature, "in-valid", "x", "job", ".*")',
        'label_replace(temperature, "größe", "$1", "job", "(.).*")',
        'label_join(temperature, "x", "-", "jo b")',
        'label_join(temperature, "a b", "-", "job", "instance")',
        'count_values("in-valid", temperature)',
        'sum by ("größe") (label_replace(temperature, "größe", "$1", "job", "(.).*"))',
    ],
)
def test_any_text_names_a_label_since_prometheus_3(both: Pair, query: str) -> None:
    if both[1].left_open:
        ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
        assert len(theirs.sid) > 0
        assert disagreement(ours, theirs, LARGEST) == ""
        return
    for engine in both:
        with pytest.raises(BadQuery):
            engine.query_range(query, WINDOW)


def ended_series() -> Iterator[Series]:
    """Series that Prometheus saw end: for good, for a while, at once, and beside a NaN that is a value."""
    at = START + EVERY * np.arange(120.0)
    count = np.cumsum(np.random.default_rng(3).poisson(9, 120)).astype(float)

    def marked(value: np.ndarray, *places: int) -> np.ndarray:
        found = value.copy()
        found.view(np.uint64)[list(places)] = STALE_BITS
        return found

    unknown = count.copy()
    unknown[30:40] = np.nan
    # No two are equal: which of these topk takes is chance.
    yield {"__name__": "c", "is": "ends"}, at[:61], marked(count[:61] + 1, 60)
    yield {"__name__": "c", "is": "returns"}, at, marked(count + 2, 40, 41, 42)
    yield {"__name__": "c", "is": "marked first"}, at, marked(count + 3, 0)
    yield {"__name__": "c", "is": "only a marker"}, at[50:51], marked(count[50:51], 0)
    yield {"__name__": "c", "is": "nan"}, at, marked(unknown + 4, 35)
    yield {"__name__": "c", "is": "whole"}, at, count


@pytest.fixture(scope="module")
def both_of_ended(tmp_path_factory: pytest.TempPathFactory, generation: Generation) -> Iterator[Pair]:
    series = list(ended_series())
    folder = tmp_path_factory.mktemp("written")
    with written_to(folder, write_request(series), prometheus=generation.prometheus) as url:
        yield beside(PrometheusEngine(url), series)


STALE = """
c
count(c)
c offset 2m
c @ 1769861475
timestamp(c)
absent(c{is="ends"})
absent(c{is="only a marker"})
scalar(c{is="ends"})
c unless c offset 1m
topk(2, c)
rate(c[1m])
increase(c[5m])
irate(c[2m])
changes(c[5m])
resets(c[5m])
deriv(c[3m])
sum_over_time(c[2m])
count_over_time(c[3m])
last_over_time(c[5m])
quantile_over_time(0.5, c[3m])
absent_over_time(c{is="only a marker"}[5m])
max_over_time(c[5m:30s])
count_over_time(sum(c)[5m:30s])
avg_over_time(timestamp(c)[5m:1m])
""".strip().splitlines()


@pytest.mark.parametrize("query", STALE)
def test_stale_markers(both_of_ended: Pair, query: str) -> None:
    window = Window(START * 1000 - 60_000, START * 1000 + 2_400_000, 15_000)
    ours, theirs = (engine.query_range(query, window) for engine in both_of_ended)
    assert len(theirs.sid) > 0
    assert disagreement(ours, theirs, LARGEST) == ""
    for after_s in (615, 630, 901.5):
        at = datetime.fromtimestamp(START + after_s, UTC)
        ours, theirs = (engine.query(query, at) for engine in both_of_ended)
        assert disagreement(ours, theirs, LARGEST) == ""


def test_raw_samples_hold_no_stale_markers(both_of_ended: Pair) -> None:
    window = Window(START * 1000 - 60_000, START * 1000 + 2_400_000, 15_000)
    ours, theirs = (engine.samples("c", window) for engine in both_of_ended)
    assert len(theirs.sid) > 0
    assert disagreement(ours, theirs, LARGEST) == ""


def _words(text: str) -> list[str]:
    return text.split()


class Author:
    """Writes expressions that nobody would: any construct inside of any other."""

    selectors = _words(
        "temperature requests_total errors_total limit odd latency_bucket bare istio_requests_total text once tiny "
        'messy_bucket dense {job="api"} {__name__=~"temp.*|lim.*"} requests_total{job=~"a.*|w.b"} odd{job!="odd"} '
        'temperature{job!~"api|flat"} requests_total{instance=~".:[12]",job!="db"}'
    )
    names = _words("job instance le pod tier response_code reporter note destination_version nope")
    # No floor, no time of day of what may be NaN: a last digit, or Go's int64(NaN), would decide.
    plain = _words("abs exp ln log2 log10 sqrt sgn atan deg rad sort sort_desc timestamp -")
    ranged = _words(
        "rate increase irate delta idelta deriv changes resets avg_over_time sum_over_time min_over_time "
        "max_over_time count_over_time stddev_over_time stdvar_over_time last_over_time present_over_time"
    )
    folds = _words("sum avg min max count group stddev stdvar")
    histograms = (
        "rate(latency_bucket[5m])",
        "messy_bucket",
        "sum by (le, job) (rate(latency_bucket[2m]))",
        "rate(istio_request_duration_milliseconds_bucket[1m])",
    )

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.one = self._random.choice

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _labels(self, most: int = 2) -> str:
        return ", ".join(self._random.sample(self.names, self._random.randint(0, most)))

    def _moved(self) -> str:
        offset = self.one((" offset 1m", " offset -1m", " offset 37s")) if self._often(0.12) else ""
        return offset + (self.one((" @ start()", " @ end()", " @ 1769861111.5")) if self._often(0.08) else "")

    def _number(self) -> str:
        return self.one(_words("0 1 2.5 -3 0.9 1e3 0x10 Inf NaN time() pi() 0.5 7"))

    def _window(self, depth: int) -> str:
        span = self.one(_words("30s 1m 2m 5m 7m13s 20m"))
        if depth > 0 and self._often(0.25):
            return f"({self.vector(depth - 1)})[{span}:{self.one(('', '30s', '1m', '47s'))}]" + self._moved()
        return f"{self.one(self.selectors)}[{span}]" + self._moved()

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.one(self.selectors) + self._moved()
        forms = (self._ranged, self._ranged, self._function, self._fold, self._fold, self._scalar_side, self._pair)
        return self.one((*forms, self._special, self._relabelled))(depth - 1)

    def _ranged(self, depth: int) -> str:
        return f"{self.one(self.ranged)}({self._window(depth)})"

    def _function(self, depth: int) -> str:
        return f"{self.one(self.plain)}({self.vector(depth)})"

    def _fold(self, depth: int) -> str:
        return f"{self.one(self.folds)} {self.one(('by', 'without'))} ({self._labels(3)}) ({self.vector(depth)})"

    def _scalar_side(self, depth: int) -> str:
        op = self.one(_words("+ - * / % ^ > < >= <= == != >bool <bool ==bool atan2")).replace("bool", " bool")
        sides = [self.vector(depth), self._number()]
        self._random.shuffle(sides)
        return f"({sides[0]} {op} {sides[1]})"

    def _pair(self, depth: int) -> str:
        op = self.one(_words("+ - * / > <= == and or unless and or atan2"))
        how = self.one(("", f" on ({self._labels()})", f" ignoring ({self._labels()})"))
        if how and op not in ("and", "or", "unless"):
            how += self.one(("", " group_left", " group_right", " group_left (tier)", " group_right (job)"))
        return f"({self.vector(depth)} {op}{how} {self.vector(depth)})"

    def _special(self, depth: int) -> str:
        number = self._number()
        return self.one(
            (
                f"quantile_over_time({number}, {self.one(self.selectors)}[5m])",
                f"predict_linear({self.one(self.selectors)}[5m], {number})",
                f"clamp({self.vector(depth)}, {number}, {self._number()})",
                f"clamp_max({self.vector(depth)}, {number})",
                f"quantile by ({self._labels()}) ({number}, {self.vector(depth)})",
                f"topk by ({self._labels()}) (2, {self.one(('temperature', 'rate(requests_total[5m])'))})",
                f'count_values by ({self._labels()}) ("v", {self.one(("tiny", "limit", "odd"))})',
                f"histogram_quantile({number}, {self.one(self.histograms)})",
                f"absent({self.vector(depth)})",
                f"absent_over_time({self._window(depth)})",
                f"vector(scalar({self.vector(depth)}))",
            )
        )

    def _relabelled(self, depth: int) -> str:
        target, source = self.one(self.names), self.one(self.names)
        if self._often(0.3):
            return f'label_join({self.vector(depth)}, "{target}", "-", "{source}", "{self.one(self.names)}")'
        pattern = self.one(("(.*)", "(.).*", "a.*", "", ".+", "(.)(.).*"))
        replacement = self.one(("$1", "x$1", "", "${1}_$2"))
        return f'label_replace({self.vector(depth)}, "{target}", "{replacement}", "{source}", "{pattern}")'


def _answer(ask: Sequence[object], query: str) -> SeriesSet | None:
    engine, at = ask
    try:
        return engine.query_range(query, WINDOW) if at is None else engine.query(query, at)  # type: ignore[attr-defined]
    except BadQuery:
        return None


def test_expressions_that_nobody_wrote(both: Pair) -> None:
    wrong, answered, refused = [], 0, 0
    for seed in range(200):
        query = Author(seed).vector(3)
        for at in (None, AT):
            ours, theirs = (_answer((engine, at), query) for engine in both)
            refused += theirs is None
            answered += theirs is not None and len(theirs.sid) > 0
            if (ours is None) != (theirs is None):
                wrong.append(f"{query}: only {'we' if ours is None else 'Prometheus'} refused it")
            elif ours is not None and theirs is not None:
                said = disagreement(ours, theirs, LARGEST)
                wrong += [f"{query}: {said}"] if said else []
    assert wrong == []
    assert answered > 200, "the comparison needs something to compare"
    assert refused > 5, "and something to refuse"
