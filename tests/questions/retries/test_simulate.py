"""Properties of the simulator, and cases that can be reckoned by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.errors import ContractError, ParameterError
from meshlab.questions.retries.simulate import Concurrency, Hop, Limit, Ratio, RetryPolicy, Service, Tokens, simulate
from meshlab.questions.retries.simulate.allowance import blocking, expected_limit
from meshlab.questions.retries.simulate.run import reach

SERVICE = Service(concurrency=3, service_s=0.1, queue=150, deadline_s=3.5)
HOP = Hop(retries=2, per_try_s=1.0, route_s=15.0)
LIMITS = [None, Concurrency(3, 20), Concurrency(3), Ratio(0.2), Tokens()]


def down(steps: int = 400, begin: int = 50) -> np.ndarray:
    """So slow that nothing is answered."""
    slower = np.ones(steps)
    slower[begin:] = 1e6
    return slower


@pytest.mark.parametrize("limit", LIMITS)
def test_going_on_from_a_state_is_going_on(limit: Limit | None) -> None:
    policy = RetryPolicy("limited", (replace(HOP, limit=limit),) * 3)
    load, slower = np.full(400, 10.0), np.where(np.arange(400) < 150, 1.0, 20.0)
    whole = simulate([policy], SERVICE, load, slower)
    past = reach(policy, SERVICE, load[:200], slower[:200], step_s=0.1)
    rest = simulate([policy, policy], SERVICE, load[200:], slower[200:], past=past)
    for name in ("attempts", "good", "waiting"):
        for row in getattr(rest, name):
            np.testing.assert_allclose(row, getattr(whole, name)[0, 200:], rtol=1e-12)


def test_a_state_of_other_time_outs_cannot_be_gone_on_with() -> None:
    policy = RetryPolicy("as it is", (HOP,) * 3)
    past = reach(policy, SERVICE, np.full(5, 10.0), np.ones(5), step_s=0.1)
    with pytest.raises(ContractError, match="timeouts"):
        simulate([policy.each("longer", per_try_s=2.0)], SERVICE, np.full(5, 10.0), past=past)


@pytest.mark.parametrize(("hops", "worst"), [(1, 4), (2, 16), (3, 64)])
def test_hops_of_four_tries_multiply(hops: int, worst: int) -> None:
    policy = RetryPolicy("four tries", (replace(HOP, retries=3),) * hops)
    runs = simulate([policy], replace(SERVICE, queue=0), np.full(400, 10.0), down())
    assert runs.amplification(30, 40)[0] == pytest.approx(worst, rel=0.01)


def test_one_layer_adds() -> None:
    policies = [RetryPolicy("all", (HOP,) * 3).only("last", -1), RetryPolicy("all", (HOP,) * 3).only("first", 0)]
    runs = simulate(policies, replace(SERVICE, queue=0), np.full(400, 10.0), down())
    np.testing.assert_allclose(runs.amplification(30, 40), 3.0, rtol=0.01)


def test_a_linkerd_budget_is_a_share_of_requests() -> None:
    policy = RetryPolicy("20 %", (replace(HOP, limit=Ratio(0.2, least_per_s=0.0)),))
    runs = simulate([policy], replace(SERVICE, queue=0), np.full(1000, 50.0), down(1000))
    assert runs.amplification(80, 100)[0] == pytest.approx(1.2, abs=0.01)
    at_least = RetryPolicy("20 % and 10/s", (replace(HOP, limit=Ratio(0.2, least_per_s=10.0)),))
    runs = simulate([at_least], replace(SERVICE, queue=0), np.full(1000, 50.0), down(1000))
    assert runs.amplification(80, 100)[0] == pytest.approx(1.4, abs=0.01)


def test_a_token_bucket_is_empty_when_nothing_succeeds() -> None:
    policy = RetryPolicy("tokens", (replace(HOP, limit=Tokens(per_success=0.1, most=10)),))
    runs = simulate([policy], replace(SERVICE, queue=5), np.full(1000, 20.0), down(1000))
    # Ten retries in all.
    assert runs.attempts.sum() * 0.1 == pytest.approx(20 * 100 + 10, abs=1.0)


def test_a_limit_on_concurrency_bounds_retries_that_time_out() -> None:
    # 3 places, each held for a second by a retry that times out: 3 a second at most, and nearly that.
    policy = RetryPolicy("3", (replace(HOP, limit=Concurrency(3)),))
    runs = simulate([policy], replace(SERVICE, queue=1e9), np.full(600, 50.0), down(600))
    extra = runs.attempts[0, 300:].mean() - 50
    assert 2.7 <= extra <= 3.01


def test_it_hardly_bounds_refusals() -> None:
    policy = RetryPolicy("3", (replace(HOP, limit=Concurrency(3)),))
    runs = simulate([policy], replace(SERVICE, queue=0), np.full(600, 10.0), down(600))
    assert runs.amplification(40, 60)[0] > 2.5


def test_long_pauses_only_put_off() -> None:
    policies = [RetryPolicy("short", (HOP,)), RetryPolicy("long", (replace(HOP, back_off_s=2.0),))]
    runs = simulate(policies, replace(SERVICE, queue=0), np.full(900, 10.0), down(900))
    early = runs.amplification(5, 6)
    assert early[1] < early[0] - 0.5
    np.testing.assert_allclose(runs.amplification(70, 90), 3.0, rtol=0.02)


def test_a_route_that_ends_leaves_no_time_for_retries() -> None:
    policy = RetryPolicy("1.5 s", (replace(HOP, route_s=1.5, retries=5),))
    runs = simulate([policy], replace(SERVICE, queue=1e9), np.full(400, 10.0), down())
    # The second try begins within 1.5 s, the third would not.
    assert runs.amplification(30, 40)[0] == pytest.approx(2.0, rel=0.02)


def test_retries_off_at_run_time() -> None:
    policy = RetryPolicy("off", (HOP,), off_from_s=20.0)
    runs = simulate([policy], replace(SERVICE, queue=0), np.full(400, 10.0), down())
    assert runs.amplification(10, 20)[0] == pytest.approx(3.0, rel=0.01)
    assert runs.amplification(21, 40)[0] == pytest.approx(1.0)


def test_requests_beyond_capacity_are_not_answered() -> None:
    runs = simulate([RetryPolicy("none", (Hop(route_s=3.0),))], replace(SERVICE, queue=30), np.full(600, 40.0))
    # 30 a second are done, the queue of a second is no hindrance to a timeout of three.
    assert runs.good[0, 300:].mean() == pytest.approx(30.0, rel=0.01)
    assert runs.waiting.max() <= 31


def test_the_toy_of_the_books() -> None:
    """700 a second, capacity 1,000 and 30 % of it for 10 s: three tries never recover, a budget does."""
    service = Service(concurrency=100, service_s=0.1, queue=3000, deadline_s=3.0)
    load, slower = np.full(600, 700.0), np.ones(600)
    slower[100:200] = 1 / 0.3
    hop = Hop(retries=2, per_try_s=1.0)
    policies = [
        RetryPolicy("none", (Hop(route_s=1.0),)),
        RetryPolicy("three tries", (hop,)),
        RetryPolicy("20 %", (replace(hop, limit=Ratio(0.2, least_per_s=0.0)),)),
        RetryPolicy("tokens", (replace(hop, limit=Tokens()),)),
    ]
    runs = simulate(policies, service, load, slower)
    assert np.isfinite(runs.recovery_s(20.0)).tolist() == [True, False, True, True]
    assert runs.peak_attempts_per_s()[0] == pytest.approx(700, rel=0.01)
    assert runs.amplification(40, 60)[1] == pytest.approx(3.0, rel=0.05)
    frame = runs.frame(20.0)
    assert frame["recovered"].tolist() == [True, False, True, True]
    assert frame["recovery_s"].isna().tolist() == [False, True, False, False]
    assert frame["wasted"].iloc[1] > frame["wasted"].iloc[0]


def test_policies_do_not_disturb_each_other() -> None:
    policies = [RetryPolicy(str(n), (replace(HOP, retries=n % 3, limit=LIMITS[n % 5]),) * 2) for n in range(70)]
    load, slower = np.full(120, 10.0), np.ones(120)
    slower[30:60] = 20
    together = simulate(policies, SERVICE, load, slower)
    for at in (0, 1, 33, 69):
        alone = simulate([policies[at]], SERVICE, load, slower)
        np.testing.assert_allclose(together.attempts[at], alone.attempts[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together.good[at], alone.good[0], rtol=1e-9, atol=1e-9)


def test_a_finer_step_says_the_same() -> None:
    policies = [RetryPolicy("none", (HOP,) * 2), RetryPolicy("budget", (replace(HOP, limit=Concurrency(3, 20)),) * 2)]
    found = []
    for step_s in (0.1, 0.05):
        load, slower = np.full(round(80 / step_s), 10.0), np.ones(round(80 / step_s))
        slower[round(20 / step_s) : round(40 / step_s)] = 20
        found.append(simulate(policies, SERVICE, load, slower, step_s=step_s))
    coarse, fine = found
    np.testing.assert_allclose(coarse.amplification(60, 80), fine.amplification(60, 80), rtol=0.05)
    assert np.isfinite(coarse.recovery_s(40)).tolist() == np.isfinite(fine.recovery_s(40)).tolist()


@settings(max_examples=20, deadline=None)
@given(
    retries=st.integers(0, 3),
    hops=st.integers(1, 3),
    limit=st.sampled_from(LIMITS),
    load=st.floats(0, 60),
    queue=st.integers(0, 60),
    slow=st.sampled_from([1.0, 5.0, 20.0]),
    cancels=st.booleans(),
    per_try=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_whatever_the_policy(
    retries: int,
    hops: int,
    limit: Limit | None,
    load: float,
    queue: int,
    slow: float,
    cancels: bool,
    per_try: float,
) -> None:
    policy = RetryPolicy("any", (Hop(retries, per_try, 2.0, limit=limit),) * hops)
    service = replace(SERVICE, queue=queue, cancels=cancels, deadline_s=1.5)
    slower = np.ones(80)
    slower[20:40] = slow
    runs = simulate([policy], service, np.full(80, load), slower)
    for values in (runs.attempts, runs.good, runs.waiting):
        assert np.isfinite(values).all()
        assert (values >= -1e-9).all()
    offered, attempts, good = (float(one.sum()) for one in (runs.offered, runs.attempts, runs.good))
    assert good <= offered + 1e-6
    assert offered - 1e-6 <= attempts <= offered * math.prod(hop.retries + 1 for hop in policy.hops) + 1e-6
    if not retries:
        assert attempts == pytest.approx(offered)


def erlang(places: int, load: float) -> float:
    terms = [load**k / math.factorial(k) for k in range(places + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(("places", "load"), [(1, 1.0), (3, 0.5), (3, 12.0), (10, 5.0), (30, 40.0)])
def test_erlang(places: int, load: float) -> None:
    assert blocking(np.array([float(places)]), np.array([load]))[0] == pytest.approx(erlang(places, load))


def test_erlang_between_and_beyond() -> None:
    places = np.array([0.0, 2.5, np.inf, 1000.0, 1000.0])
    found = blocking(places, np.array([1.0, 4.0, 4.0, 500.0, 2000.0]))
    assert found[0] == 1.0
    assert erlang(3, 4.0) < found[1] < erlang(2, 4.0)
    assert found[2:].tolist() == [0.0, 0.0, 0.5]
    assert blocking(np.full(2, np.inf), np.ones(2)).tolist() == [0.0, 0.0]


def test_the_limit_is_cut_to_whole_retries_at_a_high() -> None:
    # The highest of 20 +- 4.5 in a timeout is about 24: a fifth of it, cut, is 4 rather than 4.8.
    found = expected_limit(np.array([20.0, 2.0]), np.array([20.0, 20.0]), np.array([3.0, 3.0]))
    assert 4.0 <= found[0] < 4.8
    assert found[1] == 3.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: simulate([], SERVICE, np.ones(5)),
        lambda: simulate([RetryPolicy("no hop")], SERVICE, np.ones(5)),
        lambda: simulate([RetryPolicy("1", (HOP,)), RetryPolicy("2", (HOP, HOP))], SERVICE, np.ones(5)),
        lambda: simulate([RetryPolicy("1", (HOP,))], SERVICE, np.array([1.0, np.nan])),
        lambda: simulate([RetryPolicy("1", (HOP,))], SERVICE, -np.ones(5)),
        lambda: simulate([RetryPolicy("1", (HOP,))], SERVICE, np.ones((2, 5))),
        lambda: simulate([RetryPolicy("1", (HOP,))], SERVICE, np.ones(5), np.ones(4)),
        lambda: simulate([RetryPolicy("1", (HOP,))], SERVICE, np.ones(5), np.zeros(5)),
        lambda: simulate([RetryPolicy("1", (HOP,))], replace(SERVICE, concurrency=0), np.ones(5)),
        lambda: simulate([RetryPolicy("1", (replace(HOP, retries=-1),))], SERVICE, np.ones(5)),
    ],
)
def test_what_makes_no_sense(call: object) -> None:
    with pytest.raises(ParameterError):
        call()  # type: ignore[operator]
