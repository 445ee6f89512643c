"""Envoy's edges, as its releases mean them."""

from __future__ import annotations

import numpy as np
import pytest
from istio_series import canary, engine
from mesh_series import rising

from meshlab.telemetry.dialects.edges import incomparable_edges, proxy_release, true_edges
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.releases import proxy_releases

EDGES = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, np.inf]


def test_since_1_38_an_edge_takes_in_the_bin_that_begins_at_it() -> None:
    assert true_edges(EDGES, (1, 38)).tolist() == [5.1, 11, 26, 51, 110, 260, 510, 1100, 2600, np.inf]
    assert true_edges(EDGES, (1, 37)).tolist() == EDGES
    assert true_edges(EDGES, None).tolist() == EDGES


@pytest.mark.parametrize(
    ("version", "ahead", "release"),
    [
        ("1.38.0", 0, (1, 38)),
        ("v1.37.2-dev", 0, (1, 37)),
        ("1.30.0-alpha.1", 8, (1, 38)),
        ("1.29-distroless", 8, (1, 37)),
        ("11235813", 0, None),
        ("", 8, None),
        ("unknown", 8, None),
    ],
)
def test_releases(version: str, ahead: int, release: tuple[int, int] | None) -> None:
    assert proxy_release(version, ahead=ahead) == release


def test_proxies_of_both_generations_are_not_comparable_at_finite_edges() -> None:
    assert incomparable_edges(EDGES, [(1, 40), (1, 36), None]) == EDGES[:-1]
    assert incomparable_edges(EDGES, [(1, 40), (1, 38), None]) == []
    assert incomparable_edges(EDGES, [None]) == []


def test_proxies_say_which_release_they_run() -> None:
    who = {"__name__": "istio_build", "component": "proxy", "namespace": "shop"}
    rows = [
        rising({**who, "pod": pod, "tag": tag}, 0) for pod, tag in (("a-0", "1.30.1"), ("b-0", "1.28.0"), ("c-0", ""))
    ]
    rows.append(rising({**who, "component": "pilot", "pod": "istiod", "tag": "1.30.1"}, 0))
    mesh = Mesh.detect(engine(canary(), rows), "a test")
    assert proxy_releases(mesh, mesh.window()) == {"a-0": (1, 38), "b-0": (1, 36)}
