"""A gate that looks again and again: when it ends, and what it makes of a store that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshlab.core.results import Verdict
from meshlab.errors import EngineError, ParameterError, ReportError, Unreachable
from meshlab.reports.run.runner import Outcome
from meshlab.reports.run.watching import watch


class Clock:
    """Time that passes when somebody waits or looks."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.looks: list[float] = []

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds


def outcome(verdict: str) -> Outcome:
    return Outcome(
        verdict=Verdict(verdict), result={"headline": "so far"}, folder=Path(), page=Path("x.html"), seconds=0.0
    )


def looking(clock: Clock, answers: list[str | EngineError], takes_s: float = 4.0) -> Callable[[], Outcome]:
    left: Iterator[str | EngineError] = iter(answers)

    def look() -> Outcome:
        clock.looks.append(clock.now_s - 100.0)
        clock.now_s += takes_s
        answer = next(left)
        if isinstance(answer, EngineError):
            raise answer
        return outcome(answer)

    return look


def watched(
    answers: list[str | EngineError], *, takes_s: float = 4.0, at_once: bool = False, longest_s: float = 300.0
) -> tuple[Outcome, list[float], list[str]]:
    clock, lines = Clock(), list[str]()
    found = watch(
        looking(clock, answers, takes_s),
        every_s=60.0,
        longest_s=longest_s,
        at_once=at_once,
        clock=lambda: clock.now_s,
        wait=clock.wait,
        report=lines.append,
    )
    return found, clock.looks, lines


@pytest.mark.parametrize("verdict", ["PASS", "WARN", "FAIL"])
def test_it_ends_with_the_first_verdict(verdict: str) -> None:
    found, looks, lines = watched(["INCONCLUSIVE", "INCONCLUSIVE", verdict])
    assert found.verdict is Verdict(verdict)
    assert looks == [60, 120, 180]
    assert lines == ["INCONCLUSIVE  so far"] * 2


def test_it_ends_when_the_time_is_up_and_says_so() -> None:
    found, looks, _ = watched(["INCONCLUSIVE"] * 9)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert looks == [60, 120, 180, 240, 300]


def test_it_looks_at_once_where_there_is_something_to_look_at() -> None:
    assert watched(["PASS"], at_once=True)[1] == [0]


def test_a_slow_look_leaves_out_those_that_it_missed() -> None:
    _, looks, _ = watched(["INCONCLUSIVE"] * 3 + ["PASS"], takes_s=70.0, longest_s=600.0)
    assert looks == [60, 180, 300, 420]


def test_a_store_that_does_not_answer_is_asked_again() -> None:
    gone = Unreachable("nobody answers", "try again")
    found, looks, lines = watched([gone, gone, "FAIL"])
    assert found.verdict is Verdict.FAIL
    assert len(looks) == 3
    assert all(line.startswith("no look: nobody answers") for line in lines)


def test_a_store_that_never_answers_is_an_error() -> None:
    with pytest.raises(Unreachable):
        watched([Unreachable("nobody answers", "try again")] * 9)


def test_other_errors_end_it() -> None:
    clock = Clock()

    def look() -> Outcome:
        raise ReportError("the notebook broke", "mend it")

    with pytest.raises(ReportError):
        watch(
            look,
            every_s=60,
            longest_s=300,
            at_once=False,
            clock=lambda: clock.now_s,
            wait=clock.wait,
            report=lambda _: None,
        )
    assert clock.now_s == 160


def test_times_out_of_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="a longer time than --watch"):
        watched([], longest_s=30.0)
