"""When events begin and end, and what a scenario is meanwhile."""

from __future__ import annotations

import pytest

from meshlab.errors import ParameterError
from meshlab.lab.documents import bundled
from meshlab.lab.scenario import Scenario
from meshlab.lab.timeline import Timeline

MESH = """
description = "two services"
duration_s = 60
clusters = ["east", "west"]
load = { target = "front", rate_per_s = 5 }
workloads.front = { service = "front", version = "v1", calls = ["back"] }
workloads.back = { service = "back", version = "v1", clusters = ["east", "west"] }
"""


def with_event(text: str) -> Scenario:
    return Scenario.parse("mine", f"{MESH}\n[[event]]\n{text}\n")


def test_an_event_holds_from_its_begin_to_its_end() -> None:
    scenario = with_event('at_s = 10\nfor_s = 5\nwhat = "slow"\nset = { "workloads.back.latency_factor" = 20.0 }')
    factors = [scenario.at(at).workload("back").latency_factor for at in (0, 9.99, 10, 14.99, 15, 60)]
    assert factors == [1, 1, 20, 20, 1, 1]
    assert scenario.moments == (10.0, 15.0)


def test_events_that_overlap_are_laid_one_over_the_other() -> None:
    text = """at_s = 0
what = "a"
set = { "traffic.back.retries.attempts" = 2, "workloads.back.error_share" = 0.1 }
[[event]]
at_s = 20
for_s = 10
what = "b"
set = { "traffic.back.retries.attempts" = 5 }
"""
    scenario = with_event(text)
    seen = [scenario.at(at).traffic("back").retries.attempts for at in (0, 20, 30)]
    assert seen == [2, 5, 2]
    assert scenario.at(25).workload("back").error_share == 0.1


def test_each_moment_comes_once_and_not_before_its_time() -> None:
    scenario = with_event('at_s = 10\nfor_s = 5\nwhat = "slow"\nset = { "workloads.back.latency_factor" = 2.0 }')
    timeline = Timeline(scenario, 1000.0)
    assert timeline.due(1009.9) is None
    assert timeline.due(1030.0) == 10.0
    assert timeline.what(10.0) == ("slow",)
    assert timeline.now(1012.0) == ("slow",)
    assert timeline.due(1030.0) == 15.0
    assert timeline.what(15.0) == ("end of: slow",)
    assert timeline.now(1015.0) == ()
    assert timeline.due(1e9) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('at_s = 1\nwhat = "x"\nset = {"workloads.bak.replicas" = 2}', "no workload 'bak'.*back"),
        ('at_s = 1\nwhat = "x"\nset = {"workloads.back.replica" = 2}', "no setting 'workloads.back.replica'.*replicas"),
        ('at_s = 1\nwhat = "x"\nset = {"trafic.back.timeout_ms" = 2}', "no setting 'trafic'.*traffic"),
        ('at_s = 1\nwhat = "x"\nset = {"traffic.bak.timeout_ms" = 2}', "no service 'bak'.*back"),
        ('at_s = 1\nwhat = "x"\nset = {"workloads.back.version" = "v2"}', "fixed for a whole run"),
        ('at_s = 1\nwhat = "x"\nset = {"load.rate_per_s" = 9}', "load changes by load.shape"),
        ('at_s = 1\nwhat = "x"\nset = {"workloads.back.error_share" = "many"}', "error_share is 'many'"),
        ('at_s = 1\nwhat = "x"\nset = {"workloads.back.down_in" = ["north"]}', "no cluster 'north'"),
        ('at_s = 1\nwhat = "x"\nset = {}', "sets nothing"),
        ('at_s = 1\nset = {"workloads.back.replicas" = 2}', r"event\[0\] has no what"),
        ('at = 1\nwhat = "x"\nset = {"workloads.back.replicas" = 2}', "no setting 'event.*at'"),
        ('at_s = 1\nwhat = "x"\nwhen = 2\nset = {"workloads.back.replicas" = 2}', "when"),
        ('at_s = -1\nwhat = "x"\nset = {"workloads.back.replicas" = 2}', "at_s is -1.*at least 0"),
    ],
)
def test_a_mistake_in_an_event_is_named(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=f"(?s){says}"):
        with_event(text)


def test_every_scenario_that_ships_is_whole_at_every_moment() -> None:
    for name in bundled():
        scenario = Scenario.named(name)
        for moment in (0.0, *scenario.moments, scenario.duration_s):
            assert scenario.at(moment).name == name
        assert all(moment <= scenario.duration_s for moment in scenario.moments)
