"""What a profile names and the store does not have is said, not passed over."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from istio_series import Series, canary, engine

from meshlab.core.window import Span
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.dialects.survey import profile_lines
from meshlab.telemetry.mesh import Mesh


def detect(series: Iterable[Series], **options: object) -> Mesh:
    return Mesh.detect(engine(series), "a test", options=MeshOptions(**options))  # type: ignore[arg-type]


def replicated(label: str, values: Iterable[str] = ("a", "b")) -> list[Series]:
    return [({**who, label: value}, *rest) for value in values for who, *rest in canary()]


def without(*labels: str) -> list[Series]:
    return [({k: v for k, v in who.items() if k not in labels}, *rest) for who, *rest in canary()]


def test_a_label_that_no_series_carries_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"labels\.destination_version .* 'versio', a label that no series"):
        detect(canary(), labels={"destination_version": "versio"})
    with pytest.raises(ParameterError, match=r"replica_label .* 'replica', a label that no series"):
        detect(canary(), replica_label="replica")
    detect(canary(), labels={"destination_version": "", "destination_workload": "destination_version"})


def test_a_replica_label_that_removes_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'pod', but no two series .* it removes nothing"):
        detect(canary(), replica_label="pod")
    detect(replicated("replica"), replica_label="replica")
    detect(replicated("replica", ["a"]), replica_label="replica")


def test_a_match_that_leaves_nothing_is_named() -> None:
    with pytest.raises(ParameterError, match=r"check match = \['cluster=\"west\"'\]"):
        detect([], match=('cluster="west"',))


def test_dropped_labels_are_made_up_for_and_told_as_lines_of_a_profile() -> None:
    series = without("destination_canonical_service", "destination_version")
    mesh = detect(series)
    window = mesh.window()
    assert mesh.find("catalog", window) == detect(canary()).find("catalog", window)
    lines = profile_lines(mesh.dialect)
    assert lines == ('destination_service = "destination_service"',)
    given = detect(series, labels={"destination_service": "destination_service"})
    assert given.find("catalog", window) == mesh.find("catalog", window)
    assert profile_lines(given.dialect) == ()
    assert profile_lines(detect(canary()).dialect) == ()


def test_the_last_resort_is_the_workload() -> None:
    mesh = detect(without("destination_canonical_service", "destination_service"))
    assert set(mesh.services(mesh.window()).frame["destination_service"]) == {"catalog-v1", "catalog-v2"}
    assert isinstance(mesh.window(), Span)
