"""Certificates' ends that lie: refused ones, clocks that are off, sentinels; and what a standstill would cost."""

from __future__ import annotations

import numpy as np
import pytest
import security_series
from istio_series import START, Series, times
from mesh_series import rising
from security_series import finding, http

from meshlab.core.results import Result, Verdict

HOUR = 3600.0
END = START + 300
POD = {"pod": "web-0", "namespace": "shop", "cluster": "", "instance": "10.0.0.1:15090"}
GAUGE = {
    "__name__": "envoy_listener_ssl_certificate_expiration_unix_time_seconds",
    "envoy_tls_certificate": "default",
    "envoy_listener_address": "inbound",
    **POD,
}
FAILED = {"__name__": "envoy_sds_key_rotation_failed", "envoy_xds_resource_name": "default", **POD}
REJECTED = {**FAILED, "__name__": "envoy_sds_update_rejected"}
AGENT = {"__name__": "istio_agent_cert_expiry_seconds", "resource_name": "default", **POD}


def stepped(who: dict[str, str], *values: tuple[int, float]) -> Series:
    """A series that has each value from a scrape's number on."""
    found = np.full(61, np.nan)
    for start, value in values:
        found[start:] = value
    keep = ~np.isnan(found)
    return dict(who), times()[keep], found[keep]


def judged(*series: Series, **settings: float) -> Result:
    return security_series.judged([rising(http(), 10), *series], **settings)


def test_a_new_certificate_that_was_refused_is_not_the_one_that_is_served() -> None:
    # Half of a life of an hour has passed; the gauge already shows the end of what the proxy did not take.
    gauge = stepped(GAUGE, (0, END + 1700), (40, END + 3500))
    taken = judged(gauge, stepped(FAILED, (0, 0)), lifetime_s=HOUR)
    row = taken.tables["certificates"].iloc[0]
    assert row[["not_after", "rotations", "refused", "state"]].tolist() == [END + 3500, 1, 0, "fine"]
    refused = judged(gauge, stepped(FAILED, (0, 0), (40, 1)), lifetime_s=HOUR)
    row = refused.tables["certificates"].iloc[0]
    assert row[["not_after", "rotations", "refused", "state"]].tolist() == [END + 1700, 0, 1, "fine"]
    one = finding(refused, "ML-SEC-004")
    assert one.verdict is Verdict.WARN
    assert one.key == "security.certificates.refused"
    assert refused.verdict is Verdict.WARN


def test_a_refused_certificate_does_not_hide_that_the_old_one_is_overdue() -> None:
    result = judged(stepped(GAUGE, (0, END + 100), (30, END + 3500)), stepped(FAILED, (30, 1)), lifetime_s=HOUR)
    assert result.tables["certificates"]["state"].tolist() == ["overdue"]
    one = finding(result, "ML-SEC-004")
    assert one.verdict is Verdict.FAIL
    assert one.key == "security.certificates.overdue"
    assert "does not fit its key" in one.action


def test_a_failure_at_another_time_or_of_another_pod_refuses_nothing() -> None:
    gauge = stepped(GAUGE, (0, END + 1700), (40, END + 3500))
    for failed in (stepped(FAILED, (0, 1)), stepped(FAILED, (0, 0), (20, 1)), stepped({**FAILED, "pod": "x"}, (40, 1))):
        assert judged(gauge, failed, lifetime_s=HOUR).tables["certificates"]["refused"].tolist() == [0]


def test_an_update_that_was_refused_outright_leaves_the_gauge_and_is_told() -> None:
    result = judged(stepped(GAUGE, (0, END + 1900)), stepped(REJECTED, (0, 0), (30, 2)), lifetime_s=HOUR)
    assert result.tables["certificates"][["not_after", "refused"]].to_numpy().tolist() == [[END + 1900, 2]]
    assert finding(result, "ML-SEC-004").verdict is Verdict.WARN


@pytest.mark.parametrize("off", [-300.0, 0.0, 300.0])
def test_a_clock_that_is_off_is_named_and_moves_no_end(off: float) -> None:
    # The agent subtracts by its own clock: behind, it sees more life left.
    left = END + 3000 - times() + off
    result = judged((AGENT, times(), left), stepped(GAUGE, (0, END + 3000)), lifetime_s=HOUR)
    assert result.tables["certificates"]["not_after"].tolist() == [END + 3000]
    assert result.tables["clocks"]["skew_s"].tolist() == [pytest.approx(off, abs=1)]
    told = [f for f in result.findings if f.code == "ML-SEC-022"]
    assert len(told) == (1 if off else 0)
    if told:
        assert ("behind" if off > 0 else "ahead") in told[0].statement


def test_a_clock_that_is_set_right_is_no_rotation() -> None:
    day = 24 * HOUR
    left = np.where(np.arange(61) < 30, END + day - times(), END + day - times() + 40)
    result = judged((AGENT, times(), left), lifetime_s=2 * day)
    assert result.tables["certificates"][["rotations", "state"]].to_numpy().tolist() == [[0, "fine"]]
    # A real one is half of a life.
    renewed = np.where(np.arange(61) < 30, END + day - times(), END + 2 * day - times())
    assert judged((AGENT, times(), renewed)).tables["certificates"]["rotations"].tolist() == [1]


@pytest.mark.parametrize("sentinel", [4294967295.0, 0.0, -1.0])
def test_a_proxy_without_a_certificate_is_no_expired_one(sentinel: float) -> None:
    result = judged(stepped(GAUGE, (0, sentinel)))
    assert result.tables["certificates"].empty
    assert finding(result, "ML-SEC-004").word == "NOT_MEASURED"
    assert result.verdict is Verdict.PASS


def test_the_forecast_counts_who_expires_and_names_the_first() -> None:
    pods = [stepped({**GAUGE, "pod": f"web{k}-0"}, (0, END + 600.0 * k)) for k in (1, 2, 3)]
    one = finding(judged(*pods, lifetime_s=1500.0), "ML-SEC-005")
    # Within one life from now: the third was made to live longer.
    assert one.value == 2
    assert "the first expires at 2026-01-31 12:15:00 UTC" in one.statement
