"""An aggregation in batches of series gives what it gives of all at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.errors import BadQuery
from meshlab.promql import batches
from meshlab.promql.evaluate import Evaluator
from meshlab.promql.rules import Rules
from meshlab.promql.sample_store import Resident
from meshlab.promql.store import Selected, Store
from meshlab.promql.syntax import parse
from meshlab.promql.values import Vector
from meshlab.recordings.engine import Recording

START, EVERY, COUNT = 1_769_860_800, 15, 60
WHOLE = 1 << 40

INNER = (
    "m",
    "-m",
    "(m)",
    "rate(m[1m])",
    "increase(m{pod!='p3'}[90s] offset 30s)",
    "abs(delta(m[2m]))",
    "rate(m[1m]) * 2 > 0.5",
    "time() - m",
    "clamp(irate(m[1m]), -1, 1e3)",
    "round(m / 3, 0.25)",
    "quantile_over_time(0.9, m[2m])",
    "predict_linear(m[2m], 60 * 5)",
    "last_over_time({__name__='m'}[30s])",
    "m @ end()",
)
OTHERS = ("sort(m)", "topk(2, rate(m[1m]))", "stddev(rate(m[1m]))", '{__name__=~".+"}')


class Counting(Store):
    """Remembers how many series were looked at together."""

    most = 0

    def take(self, rows: np.ndarray) -> Selected:
        self.most = max(self.most, len(rows))
        return super().take(rows)


def store(seed: int, *, huge: bool = False) -> Counting:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(int(rng.integers(1, 40))):
        labels = {"__name__": "m", "pod": f"p{i}", "zone": "abc"[int(rng.integers(3))], "code": str(rng.integers(2))}
        at = START + EVERY * np.arange(COUNT) + float(rng.choice([0.0, 1.5, 7.25]))
        kept = rng.random(COUNT) < rng.choice([0.2, 0.9, 1.0])
        value = np.cumsum(rng.exponential(3, COUNT)) if rng.random() < 0.7 else rng.normal(0, 1e3, COUNT)
        value[rng.random(COUNT) < 0.02] = rng.choice([np.nan, np.inf, -0.0, 0.0])
        value = value * (1e304 if huge else 1)
        rows.append((labels, at[kept], value[kept]))
    rows.append(({"__name__": "other", "pod": "p1"}, [START], [1.0]))
    made = Recording.from_series(rows)
    window = made.samples('{__name__=~".+"}', _everything())
    return Counting(Resident(SeriesSet(window.labels, window.sid, window.time, window.value)))


def _everything() -> Window:
    return Window((START - 3600) * 1000, (START + 7200) * 1000, 60_000)


def evaluated(kept: Store, promql: str, at: np.ndarray, *, batch: int, left_open: bool = False) -> Vector:
    found = Evaluator(kept, at, int(at[0]), int(at[-1]), Rules(left_open), batch=batch).evaluate(parse(promql))
    assert isinstance(found, Vector)
    return found


def assert_same(one: Vector, two: Vector) -> None:
    assert one.labels == two.labels
    assert (one.present == two.present).all()
    there = one.present
    assert np.array_equal(one.value[there], two.value[there], equal_nan=True), "to the last digit"


@given(
    st.integers(0, 2**31),
    st.sampled_from(("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar")),
    st.sampled_from(("", "by (zone)", "by (pod)", "without (pod)", "by (code, zone, nothing)")),
    st.sampled_from(INNER),
    st.integers(1, 900),
    st.sampled_from((1, 2, 3, 17)),
    st.booleans(),
    st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=250)
def test_the_answer_does_not_depend_on_the_batches(
    seed: int, name: str, grouping: str, inner: str, batch: int, steps: int, left_open: bool, huge: bool
) -> None:
    kept = store(seed, huge=huge)
    at = (START + 300 + 17 * np.arange(steps)) * 1000
    promql = f"{name} {grouping} ({inner})"
    whole = evaluated(kept, promql, at, batch=WHOLE, left_open=left_open)
    assert_same(evaluated(kept, promql, at, batch=batch, left_open=left_open), whole)


def test_a_mean_that_does_not_overflow_does_not_in_batches_either() -> None:
    at = START + EVERY * np.arange(4)
    made = Recording.from_series([({"__name__": "m", "pod": str(i)}, at, np.full(4, 1.5e308)) for i in range(9)])
    found = made.samples("m", _everything())
    kept = Store(Resident(found))
    moments = np.array([START * 1000 + 30_000, START * 1000 + 45_000])
    for batch in (1, 4, 10, WHOLE):
        assert evaluated(kept, "avg(m)", moments, batch=batch).value.tolist() == [[1.5e308, 1.5e308]]


@pytest.mark.parametrize("name", ["sum", "avg"])
def test_what_cancels_is_summed_as_well_in_batches(name: str) -> None:
    rng = np.random.default_rng(4)
    at = START + EVERY * np.arange(5)
    half = rng.normal(0, 10.0 ** rng.integers(-9, 15, (40, 5)))
    value = np.concatenate([half, -half[::-1], rng.normal(0, 1e-6, (7, 5))])
    rows = [({"__name__": "m", "pod": f"p{i:03}"}, at, row) for i, row in enumerate(value)]
    kept = Store(Resident(Recording.from_series(rows).samples("m", _everything())))
    whole = evaluated(kept, f"{name}(m)", at * 1000, batch=WHOLE)
    exact = [math.fsum(column) / (87 if name == "avg" else 1) for column in value.T.tolist()]
    np.testing.assert_allclose(whole.value[0], exact, rtol=1e-6)
    for batch in (10, 100):
        assert evaluated(kept, f"{name}(m)", at * 1000, batch=batch).value.tolist() == whole.value.tolist()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "promql", [*INNER, "sort(m)", "topk(2, rate(m[1m]))", "stddev(rate(m[1m]))", '{__name__=~".+"}']
)
def test_functions_of_many_series_give_the_same_in_batches(promql: str, seed: int) -> None:
    kept = store(seed)
    at = (START + 300 + EVERY * np.arange(7)) * 1000
    assert_same(evaluated(kept, promql, at, batch=90), evaluated(kept, promql, at, batch=WHOLE))


@pytest.mark.parametrize("inner", [*INNER, '{__name__=~".+"}'])
def test_few_series_are_looked_at_together(inner: str) -> None:
    kept = store(5)
    at = (START + 300 + EVERY * np.arange(10)) * 1000
    evaluated(kept, f"sum({inner})", at, batch=130)
    assert 1 <= kept.most <= 13
    assert len(kept.find([])) > 13


@pytest.mark.parametrize(
    "promql",
    [
        'sum(abs({__name__=~"m|other",pod!="p1"}))',
        "sum(m + on(pod) m)",
        "sum(m and m)",
        "sum(absent(m))",
        "sum(topk(3, m))",
        "sum(sum by (pod) (m))",
        "sum(rate(m[1m:5s]))",
        'sum(label_replace(m, "zone", "x", "pod", ".*"))',
        "sum(sort(m))",
        "sum(vector(1))",
        "sum(clamp_max(m, scalar(sum(m))))",
        "count_values('v', m)",
        "topk(2, m)",
        "quantile(0.5, m)",
    ],
)
def test_what_has_to_be_seen_whole_is_seen_whole(promql: str) -> None:
    kept = store(7)
    at = np.array([START * 1000 + 600_000])
    assert_same(evaluated(kept, promql, at, batch=2), evaluated(kept, promql, at, batch=WHOLE))
    evaluator, node = Evaluator(kept, at, 0, 0, Rules(), batch=2), parse(promql)
    assert evaluator._batches(parse("m")) is not None
    if type(node).__name__ == "AggregateExpr" and str(node.op) in batches.AGGREGATIONS:
        assert evaluator._batches(node.expr) is None


def test_an_error_of_all_series_is_one_in_batches() -> None:
    rows = [({"__name__": n, "pod": "p"}, [START, START + 15], [1.0, 2.0]) for n in ("a", "b")]
    found = Recording.from_series(rows).samples('{__name__=~"a|b"}', _everything())
    at = np.array([START * 1000 + 15_000])
    for batch in (1, WHOLE):
        with pytest.raises(BadQuery, match="same labelset"):
            evaluated(Store(Resident(found)), 'sum(rate({__name__=~"a|b"}[1m]))', at, batch=batch)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("members", [1, 2, 7, 8, 9, 129, 1000])
def test_a_sum_is_added_one_after_the_other(steps: int, members: int) -> None:
    rng = np.random.default_rng(members)
    value = np.abs(rng.normal(0, 10.0 ** rng.integers(-9, 9, (members, steps))))
    at = np.array([START * 1000 + 1000 * s for s in range(steps)])
    rows = [({"__name__": "m", "pod": str(i)}, at / 1000, row) for i, row in enumerate(value)]
    # The order is that of the labels.
    order = sorted(range(members), key=str)
    wanted = [-0.0] * steps
    for i in order:
        wanted = [total + x for total, x in zip(wanted, value[i].tolist(), strict=True)]
    found = Recording.from_series(rows).samples("m", _everything())
    got = evaluated(Store(Resident(found)), "sum(m)", at, batch=WHOLE)
    assert got.value.tolist() == [wanted]


@pytest.mark.parametrize("name", ["sum", "avg"])
@pytest.mark.parametrize(
    "values",
    [[1e100, 1.0, -1e100, 2.0, 1e30, -1e30, 3.0], [1.7e308, 1.7e308, -1.7e308, -1.7e308, 1e300], [3, 2, 1, -6]],
)
def test_what_cancels_is_the_same_in_batches(name: str, values: list[float]) -> None:
    at = START + EVERY * np.arange(3)
    rows = [({"__name__": "m", "pod": str(i)}, at, [x, x, abs(x)]) for i, x in enumerate(values)]
    kept = Store(Resident(Recording.from_series(rows).samples("m", _everything())))
    whole = evaluated(kept, f"{name}(m)", 1000 * at, batch=WHOLE)
    for batch in (1, 3, 6, 9):
        assert_same(evaluated(kept, f"{name}(m)", 1000 * at, batch=batch), whole)
