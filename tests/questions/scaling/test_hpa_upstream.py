"""The facts of the Kubernetes controller's own tests: what one metric asks for, and what one sync makes of it.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler, replica_calculator_test.go and horizontal_test.go (1.36):
120 s of CPU initialisation, 10 s of initial readiness, tolerance 0.1. Only inputs and expected numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from meshlab.questions.scaling.hpa import (
    History,
    HpaSpec,
    NoMetrics,
    Pod,
    Sample,
    Target,
    TargetKind,
    Tolerance,
    average_replicas,
    decide,
    per_pod_replicas,
    resource_replicas,
    value_replicas,
)
from meshlab.questions.scaling.hpa.target import proposals

NOW = 1_000_000.0
HOT, COOL = NOW, NOW - 180.0
TENTH = Tolerance()
FIVE = (100, 300, 500, 250, 250)
MIXED = (900, 1000, 1100)
Words = dict[str, object]


def pods(
    count: int,
    *,
    ready: str = "",
    phase: str = "",
    deleting: str = "",
    started: Sequence[float] = (),
    cpu: Sequence[int] = (),
) -> list[Pod]:
    """One letter a pod: ready ``y/n``; phase ``R(unning)/P(ending)/F(ailed)/S(ucceeded)``; deleting ``y/n``."""
    return [
        Pod(
            f"p{i}",
            ready=ready[i : i + 1] != "n",
            started_s=started[i] if started else 0.0,
            changed_s=started[i] if started else 0.0,
            pending=phase[i : i + 1] == "P",
            failed=phase[i : i + 1] in ("F", "S"),
            deleted=deleting[i : i + 1] == "y",
            request=cpu[i] if cpu else 1000,
        )
        for i in range(count)
    ]


def samples(*values: int) -> dict[str, Sample]:
    return {f"p{i}": Sample(value, at_s=NOW, window_s=60.0) for i, value in enumerate(values)}


def asked(percent: int, current: int, words: Words, values: Sequence[int], tolerance: Tolerance = TENTH) -> int:
    group = pods(max(current, len(str(words.get("phase", "")))), **words)  # type: ignore[arg-type]
    return resource_replicas(
        current, group, samples(*values), percent, tolerance, now_s=NOW, initialisation_s=120.0, readiness_s=10.0
    )


@pytest.mark.parametrize(
    ("percent", "current", "words", "values", "replicas"),
    [
        (30, 3, {}, (300, 500, 700), 5),
        (30, 3, {"ready": "nyy"}, (300, 500, 700), 4),
        (30, 3, {"started": (HOT, COOL, COOL)}, (300, 500, 700), 4),
        (30, 3, {"ready": "ynn"}, (400, 500, 700), 3),
        (30, 3, {"ready": "ynn", "started": (COOL, HOT, HOT)}, (400, 500, 700), 3),
        (30, 2, {"ready": "yynn", "phase": "RRFF"}, (500, 700), 4),
        (30, 2, {"ready": "yynn", "phase": "RRSS"}, (500, 700), 4),
        (30, 2, {"ready": "yynn", "phase": "RRRR", "deleting": "nnyy"}, (500, 700), 4),
        (50, 5, {}, FIVE, 3),
        (50, 5, {"ready": "yyynn"}, FIVE, 2),
        (50, 5, {"ready": "ynnnn", "phase": "RPPPP"}, (100,), 1),
        (50, 5, {"started": (COOL, COOL, COOL, HOT, HOT)}, FIVE, 2),
        (50, 5, {"ready": "yyyyynn", "phase": "RRRRRFF"}, FIVE, 3),
        (50, 5, {"ready": "yyyyynn", "phase": "RRRRRSS"}, FIVE, 3),
        (50, 5, {"ready": "yyyyynn", "phase": "RRRRRRR", "deleting": "nnnnnyy"}, FIVE, 3),
        (100, 4, {}, (4000, 9500, 3000, 7000, 3200, 2000), 24),
        (100, 4, {}, (400, 95), 3),
        (100, 2, {}, (1000,), 2),
        (100, 2, {}, (1900,), 2),
        (100, 2, {}, (600,), 2),
        (50, 3, {"ready": "nyy"}, (100, 450), 3),
        (50, 3, {"started": (HOT, COOL, COOL)}, (100, 450), 3),
        (50, 3, {"ready": "nyy"}, (100, 2000), 4),
        (50, 3, {"ready": "nyy", "started": (HOT, COOL, COOL)}, (100, 2000), 4),
        (50, 4, {"ready": "nyyy"}, (100, 100, 100), 3),
        (300, 4, {"ready": "nyyy", "cpu": (1000, 1000, 2000, 2000)}, (200, 100, 100), 2),
        (50, 2, {"phase": "RRR"}, (100, 100), 2),
    ],
)
def test_a_utilisation_asks_for(
    percent: int, current: int, words: Words, values: tuple[int, ...], replicas: int
) -> None:
    assert asked(percent, current, words, values) == replicas


@pytest.mark.parametrize(
    ("tolerance", "values", "replicas"),
    [
        (Tolerance(), (1010, 1030, 1020), 3),
        (Tolerance(0.0, 0.0), (909, 1010, 1111), 4),
        (Tolerance(0.1, 2.0), (1890, 1910, 1900), 3),
        (Tolerance(2.0, 0.08), (1100, 1080, 1090), 4),
        (Tolerance(0.36, 0.1), (660, 640, 650), 3),
        (Tolerance(0.34, 0.1), (660, 640, 650), 2),
        (Tolerance(), (1100, 1100, 1100), 3),
        (Tolerance(), (1110, 1110, 1110), 4),
    ],
)
def test_each_direction_has_its_tolerance(tolerance: Tolerance, values: tuple[int, ...], replicas: int) -> None:
    assert asked(100, 3, {"cpu": MIXED}, values, tolerance) == replicas


def test_the_smallest_step_past_the_tolerance_scales() -> None:
    own = tuple(300 + extra for extra in (100, -100, 10, -10, 2, -2, 1, -1, 0, 0))
    assert asked(56, 10, {"cpu": own}, [150] * 10) == 9
    assert asked(55, 10, {"cpu": own}, [150] * 10) == 10
    assert asked(50, 10, {}, [559] * 10) == 10, "whole per cents, before the target divides them"


@pytest.mark.parametrize(
    ("target", "current", "words", "values", "replicas"),
    [
        (15_000, 3, {}, (20_000, 10_000, 30_000), 4),
        (15_000, 3, {"ready": "yyn", "started": (COOL, COOL, HOT)}, (50_000, 10_000, 30_000), 6),
        (15_000, 3, {"ready": "nyn", "started": (HOT, COOL, HOT)}, (50_000, 15_000, 30_000), 7),
        (20_000, 5, {}, (12_000,) * 5, 3),
        (20_000, 3, {}, (20_000, 21_000, 21_000), 3),
        (20_000, 5, {}, (20_000, 19_000, 21_000), 5),
        (17_000, 2, {"phase": "RRR"}, (10_000, 10_000), 2),
    ],
)
def test_a_metric_of_pods_asks_for(
    target: int, current: int, words: Words, values: tuple[int, ...], replicas: int
) -> None:
    group = pods(max(current, len(str(words.get("phase", "")))), **words)  # type: ignore[arg-type]
    assert average_replicas(current, group, samples(*values), target, TENTH) == replicas


@pytest.mark.parametrize(
    ("target", "current", "ready", "usage", "replicas"),
    [
        (15_000, 3, 3, 20_000, 4),
        (10_000, 3, 1, 50_000, 5),
        (20_000, 5, 5, 12_000, 3),
        (20_000, 3, 3, 20_666, 3),
        (4_400, 3, 1, 8_600, 2),
        (6_666, 3, 3, 8_600, 4),
        (14_334, 5, 5, 8_600, 3),
        (8_888, 3, 3, 8_600, 3),
    ],
)
def test_a_value_asks_for(target: int, current: int, ready: int, usage: int, replicas: int) -> None:
    assert value_replicas(current, ready, usage, target, TENTH) == replicas
    told = Target("qps", TargetKind.VALUE, target / 1000)
    found = proposals(HpaSpec(1, 99), told, np.array([usage / 1000]), np.array([current]), np.array([float(ready)]))
    assert found[0] == replicas, "whole histories are computed alike"


@pytest.mark.parametrize(
    ("target", "current", "usage", "replicas"),
    [
        (5_000, 3, 20_000, 4),
        (2_000, 5, 6_000, 3),
        (5_000, 4, 20_166, 4),
        (5_000, 0, 20_000, 4),
        (5_000, 0, 0, 0),
        (2_150, 3, 8_600, 4),
        (2_867, 5, 8_600, 3),
        (2_900, 3, 8_600, 3),
    ],
)
def test_an_average_of_all_asks_for(target: int, current: int, usage: int, replicas: int) -> None:
    assert per_pod_replicas(current, usage, target, TENTH) == replicas


def test_one_per_cent_of_tolerance_lets_one_more_in() -> None:
    narrow = Tolerance(0.1, 0.01)
    assert value_replicas(3, 3, 20_666, 20_000, narrow) == 4
    assert value_replicas(3, 3, 8_900, 8_800, narrow) == 4
    assert per_pod_replicas(4, 20_208, 5_000, narrow) == 5
    assert per_pod_replicas(3, 8_600, 2_800, narrow) == 4
    assert average_replicas(3, pods(3), samples(20_000, 21_000, 21_000), 20_000, narrow) == 4


@pytest.mark.parametrize(
    ("percent", "bounds", "current", "words", "values", "desired"),
    [
        (30, (2, 6), 3, {}, (300, 500, 700), 5),
        (30, (2, 6), 3, {"ready": "nyy"}, (300, 500, 700), 4),
        (30, (2, 6), 3, {"ready": "ynn"}, (400, 500, 700), 3),
        (50, (2, 6), 5, {}, FIVE, 3),
        (50, (2, 6), 5, {"ready": "yyynn"}, FIVE, 2),
        (100, (1, 5), 3, {"cpu": MIXED}, (1010, 1030, 1020), 3),
        (90, (2, 5), 3, {"cpu": MIXED}, (10, 95, 10), 2),
        (90, (0, 5), 3, {"cpu": MIXED}, (0, 0, 0), 0),
        (90, (2, 5), 3, {"cpu": MIXED}, (0, 0, 0), 2),
        (90, (2, 5), 3, {"cpu": MIXED}, (8000, 9500, 1000), 5),
        (90, (3, 5), 0, {}, (), 0),
        (90, (3, 5), 2, {}, (), 3),
        (90, (3, 5), 10, {}, (), 5),
        (100, (2, 6), 4, {}, (4000, 9500, 3000, 7000, 3200, 2000), 6),
        (100, (2, 6), 4, {}, (400, 95), 3),
        (100, (2, 6), 4, {}, (), 4),
        (50, (1, 5), 1, {"cpu": (200,)}, (200,), 2),
        (50, (1, 5), 2, {"cpu": (400, 400)}, (200, 200), 2),
        (10, (1, 100), 3, {"cpu": (100,) * 3}, (100, 200, 300), 6),
        (10, (1, 5), 3, {"cpu": (100,) * 3}, (100, 200, 300), 5),
        (50, (2, 6), 3, {}, (600, 700, 800), 5),
    ],
)
def test_one_sync_on_cpu(
    percent: int, bounds: tuple[int, int], current: int, words: Words, values: tuple[int, ...], desired: int
) -> None:
    """The older way, with no window on the way down, as those tests are set up."""
    try:
        proposal: int | None = asked(percent, current, words, values)
    except NoMetrics:
        proposal = None
    spec = HpaSpec(*bounds, behaviour=None, down_window_s=-1.0)
    assert decide(spec, History(), current, [proposal], NOW).replicas == desired
