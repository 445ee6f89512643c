from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from meshlab.stats.buckets import QuantileBucket, quantile_bucket, share_above, superiority

EDGES = np.array([5.0, 10.0, 25.0, np.inf])


def test_share_above_is_exact_at_the_edges() -> None:
    assert share_above(np.array([2.0, 3.0, 4.0, 1.0])).tolist() == [0.8, 0.5, 0.09999999999999998]
    assert np.isnan(share_above(np.zeros(4))).all()


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.lists(st.integers(0, 9), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_superiority_is_the_mann_whitney_statistic(a: list[int], b: list[int]) -> None:
    first, second = np.array(a, float), np.array(b, float)
    found = superiority(first, second)
    if not sum(a) or not sum(b):
        assert np.isnan(found)
        return
    statistic = mannwhitneyu(np.repeat(range(4), b), np.repeat(range(4), a), method="asymptotic").statistic
    assert np.isclose(found, statistic / (sum(a) * sum(b)))


def test_quantile_is_a_bucket_or_nothing() -> None:
    counts = np.array([100.0, 50.0, 40.0, 2.0])
    assert quantile_bucket(EDGES, counts, 0.5) == QuantileBucket(0.0, 5.0)
    assert quantile_bucket(EDGES, counts, 0.9) == QuantileBucket(10.0, 25.0)
    assert quantile_bucket(EDGES, counts, 0.99) is None, "under ten observations beyond"
    assert quantile_bucket(EDGES, np.array([0.0, 0.0, 0.0, 500.0]), 0.5) is None, "in the open bucket"
    assert quantile_bucket(np.empty(0), np.empty(0), 0.5) is None
