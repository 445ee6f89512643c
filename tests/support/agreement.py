"""The same samples for a real Prometheus and for the embedded evaluator, and a comparison that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window

START = 1_769_860_800
EVERY = 15
COUNT = 240  # an hour
WINDOW = Window.aligned(
    datetime.fromtimestamp(START - 120, UTC), datetime.fromtimestamp(START + EVERY * COUNT + 420, UTC), 30_000
)
Series = tuple[dict[str, str], np.ndarray, np.ndarray]


def dataset(seed: int = 1) -> Iterator[Series]:
    """Counters with resets and gaps, gauges, histograms, values that are no numbers, and a mesh."""
    rng = np.random.default_rng(seed)
    at = START + EVERY * np.arange(COUNT)

    def jitter(t: np.ndarray) -> np.ndarray:
        return np.round(t + rng.uniform(0, 0.9, len(t)), 3)

    def counter(rate: float, resets: int = 0) -> np.ndarray:
        rise = rng.poisson(rate, COUNT).astype(float)
        value = np.cumsum(rise)
        for cut in rng.integers(10, COUNT - 10, resets):
            value[cut:] -= value[cut] - rise[cut]
        return value

    for i, job in enumerate(("api", "web", "db")):
        for instance in ("a:1", "b:2"):
            who = {"job": job, "instance": instance}
            yield {"__name__": "requests_total", **who}, jitter(at), counter(20 * (i + 1), resets=i)
            yield {"__name__": "errors_total", **who}, jitter(at), counter(0.4 * (i + 1))
            gauge = 50 * np.sin(np.arange(COUNT) / (7 + i)) + rng.normal(0, 3, COUNT)
            yield {"__name__": "temperature", **who}, jitter(at), np.round(gauge, 2)
        yield {"__name__": "limit", "job": job, "tier": "gold" if i else "free"}, at, np.full(COUNT, 100.0 * (i + 1))
    gappy = np.r_[0:40, 75:120, 160:COUNT]
    yield {"__name__": "requests_total", "job": "gap", "instance": "g"}, jitter(at[gappy]), counter(5)[gappy]
    yield {"__name__": "requests_total", "job": "late", "instance": "l"}, jitter(at[150:]), counter(9)[150:]
    yield {"__name__": "requests_total", "job": "early", "instance": "e"}, jitter(at[:60]), counter(9)[:60]
    yield {"__name__": "temperature", "job": "flat", "instance": "f"}, at, np.full(COUNT, 21.5)
    odd = rng.normal(0, 1, COUNT)
    odd[5:20], odd[40:50], odd[60:65] = np.nan, np.inf, -np.inf
    yield {"__name__": "odd", "job": "odd", "note": 'quote" back\\slash ünï {x}'}, at, odd
    yield {"__name__": "odd", "job": "even", "note": "a.b*c"}, at, np.round(rng.normal(0, 4, COUNT), 3)
    edges = ("0.005", "0.01", "0.1", "1", "2.5", "+Inf")
    for job in ("api", "web"):
        for pod in ("p1", "p2"):
            total = np.zeros(COUNT)
            for k, le in enumerate(edges):
                total = total + counter(3.0 if k < 5 else 0.3)
                who = {"__name__": "latency_bucket", "job": job, "pod": pod, "le": le}
                yield who, at, total.copy()
    yield from _mesh(rng, at)


def _mesh(rng: np.random.Generator, at: np.ndarray) -> Iterator[Series]:
    for version, scale in (("v1", 3.0), ("v2", 1.0)):
        for reporter in ("source", "destination"):
            who = {
                "reporter": reporter,
                "source_workload": "storefront-v1",
                "source_workload_namespace": "shop",
                "destination_workload": f"catalog-{version}",
                "destination_workload_namespace": "shop",
                "destination_canonical_service": "catalog",
                "destination_service": "catalog.shop.svc.cluster.local",
                "destination_version": version,
                "destination_cluster": "east",
                "request_protocol": "http",
                "response_flags": "-",
                "connection_security_policy": "mutual_tls" if reporter == "destination" else "unknown",
                "pod": f"catalog-{version}-0" if reporter == "destination" else "storefront-v1-0",
            }
            for code, rate in (("200", 500), ("500", 5), ("503", 1)):
                value = np.cumsum(rng.poisson(rate * scale, COUNT)).astype(float)
                yield {"__name__": "istio_requests_total", **who, "response_code": code}, at, value
            total = np.zeros(COUNT)
            for le in ("5", "10", "25", "50", "100", "250", "+Inf"):
                total = total + np.cumsum(rng.poisson(80 * scale, COUNT))
                name = "istio_request_duration_milliseconds_bucket"
                yield {"__name__": name, **who, "response_code": "200", "le": le}, at, total.copy()
            name = "istio_request_duration_milliseconds_sum"
            yield {"__name__": name, **who, "response_code": "200"}, at, total * 41.7


QUERIES = """
requests_total
requests_total{job="api"}
requests_total{job!="api"}
requests_total{job=~"a.*|w.b"}
requests_total{job!~"a.*",instance=~".+"}
{__name__=~"requests_total|limit",job="web"}
requests_total{missing=""}
requests_total{job="nothing"}
temperature offset 5m
temperature offset -2m
requests_total @ 1769862000
requests_total @ start() offset -10m
sum(requests_total @ end() offset 20m)
rate(requests_total[5m])
rate(requests_total[1m] offset 3m)
rate(requests_total[2m] @ end() offset 20m)
increase(requests_total[7m])
irate(requests_total[2m])
idelta(temperature[2m])
delta(temperature[10m])
deriv(temperature[10m])
predict_linear(temperature[10m], 600)
changes(odd[10m])
resets(requests_total[30m])
resets(temperature[10m])
avg_over_time(temperature[5m])
min_over_time(odd[5m])
max_over_time(odd[5m])
sum_over_time(temperature[7m])
count_over_time(requests_total[3m])
stddev_over_time(temperature[10m])
stdvar_over_time(temperature[10m])
last_over_time(requests_total[12m])
present_over_time(requests_total[2m])
absent_over_time(requests_total{job="late"}[2m])
quantile_over_time(0.9, temperature[10m])
quantile_over_time(1.5, temperature[10m])
max_over_time(rate(requests_total[2m])[20m:1m])
avg_over_time(temperature[10m:])
sum_over_time(temperature[5m:45s] offset 1m)
rate(requests_total[10m:30s])
max_over_time(sum(rate(requests_total[1m]))[10m:30s] @ end() offset 20m)
sum(requests_total)
sum by (job) (rate(requests_total[5m]))
sum without (instance) (temperature)
avg by (job) (temperature)
min(temperature)
max by (instance) (odd)
count by (job) (requests_total)
group by (job) (temperature)
stddev(temperature)
stdvar by (job) (temperature)
topk(2, temperature)
topk by (job) (1, temperature)
bottomk(3, temperature)
quantile(0.3, temperature)
quantile by (job) (0.95, odd)
count_values("reading", round(temperature, 20))
histogram_quantile(0.9, rate(latency_bucket[5m]))
histogram_quantile(0.5, sum by (le, job) (rate(latency_bucket[5m])))
histogram_quantile(0.99, sum by (le) (latency_bucket))
histogram_quantile(-1, latency_bucket)
histogram_quantile(0.5, latency_bucket{le!="+Inf"})
temperature + 1
2 ^ temperature
temperature % 7
-temperature
temperature / on(job) group_left limit
temperature * on(job) group_left(tier) limit
limit - on(job) group_right temperature
errors_total / requests_total
rate(errors_total[5m]) / rate(requests_total[5m])
errors_total / ignoring(instance, tier) group_left limit
temperature > 20
temperature > bool 20
20 < temperature
limit > on(job) group_right temperature
requests_total > bool errors_total
requests_total == requests_total
errors_total < on(job, instance) requests_total
temperature atan2 (temperature + 3)
temperature atan2 on(job) group_left limit
1 + 2 * 3 ^ 2 ^ 0.5
1 > bool 2
requests_total and on(job) limit
requests_total unless on(job) limit{tier="gold"}
limit or requests_total
errors_total or on(job) requests_total
temperature and temperature > 0
label_replace(temperature, "short", "$1-x", "instance", "(.*):.*")
label_replace(temperature, "job", "", "job", "flat")
label_join(temperature, "both", "/", "job", "instance", "none")
abs(temperature)
ceil(temperature)
floor(temperature)
round(temperature)
round(temperature, 0.3)
exp(temperature / 100)
ln(temperature)
log2(requests_total)
log10(requests_total)
sqrt(temperature)
sgn(temperature)
sin(temperature) + cos(temperature) + tan(temperature / 100)
asin(temperature / 100) + acos(temperature / 100) + atan(temperature)
sinh(temperature / 100) + cosh(temperature / 100) + tanh(temperature)
asinh(temperature) + acosh(temperature + 100) + atanh(temperature / 1000)
deg(temperature) + rad(temperature) + pi()
clamp(temperature, -10, 10)
clamp(temperature, 10, -10)
clamp_min(temperature, 0)
clamp_max(temperature, scalar(limit{job="api"}) / 10)
absent(nothing{job="x",other=~"y"})
absent(requests_total{job="late"})
absent(sum(nothing))
scalar(limit{job="api"})
scalar(limit)
vector(time())
time() - timestamp(temperature)
timestamp(temperature)
timestamp(temperature offset 5m)
timestamp(temperature + 1)
minute()
hour(timestamp(temperature))
day_of_month() + day_of_week() + day_of_year() + days_in_month() + month() + year()
day_of_year(vector(1709210096))
sort(temperature)
sort_desc(temperature)
odd
odd / odd
1 / (odd * 0)
odd == odd
odd != odd
-odd ^ 2
sum(odd)
avg(odd)
topk(1, odd)
bottomk(1, odd)
sum by (code) (label_replace(rate(istio_requests_total{reporter="source"}[1m]), "code", "$1", "response_code", "(.).*"))
1 - sum(rate(istio_requests_total{response_code=~"5.."}[5m])) / sum(rate(istio_requests_total[5m]))
""".strip().splitlines()


def disagreement(ours: SeriesSet, theirs: SeriesSet, largest: float) -> str:
    """What differs, in words; empty when nothing does.

    Values may differ by 1e-9 of themselves, or by 1e-12 of the largest operand.
    """

    def table(found: SeriesSet) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
        rows: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        frame = found.labels.to_dict("records")
        keys = [tuple(sorted((k, v) for k, v in row.items() if v)) for row in frame]
        for sid, t, v in zip(found.sid, found.time.astype(np.int64), found.value, strict=True):
            rows.setdefault(keys[sid], {})[int(t)] = float(v)
        return rows

    a, b = table(ours), table(theirs)
    if a.keys() != b.keys():
        return (
            f"series differ: only ours {sorted(a.keys() - b.keys())[:3]}, only theirs {sorted(b.keys() - a.keys())[:3]}"
        )
    for key, mine in a.items():
        other = b[key]
        if mine.keys() != other.keys():
            extra, lost = sorted(mine.keys() - other.keys())[:3], sorted(other.keys() - mine.keys())[:3]
            return f"points of {key} differ: only ours {extra}, only theirs {lost}"
        x = np.array([mine[t] for t in sorted(mine)])
        y = np.array([other[t] for t in sorted(mine)])
        with np.errstate(invalid="ignore"):
            near = np.abs(x - y) <= np.maximum(1e-9 * np.abs(y), 1e-12 * largest)
        alike = near | (x == y) | (np.isnan(x) & np.isnan(y))
        if not alike.all():
            at = int(np.flatnonzero(~alike)[0])
            return f"{(~alike).sum()} values of {key} differ, at {sorted(mine)[at]}: ours {x[at]!r}, theirs {y[at]!r}"
    return ""
