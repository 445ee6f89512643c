"""A mesh that meshlab has never heard of, by one module outside of the package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from istio_series import Series, canary, engine
from mesh_series import rising
from stored import Stored, write_folder

import meshlab
from meshlab.config import load
from meshlab.core.readiness import State
from meshlab.core.results import Verdict
from meshlab.core.subject import Subject
from meshlab.doctor.examination import examine
from meshlab.errors import ParameterError
from meshlab.questions.canary import Canary
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.mesh import Mesh

pytestmark = pytest.mark.usefixtures("acme")

SECONDS = (("0.01", 0.25), ("0.05", 0.75), ("0.1", 1.0), ("+Inf", 1.0))


def requests(app: str = "catalog") -> Iterable[Series]:
    """(ok, failed) a scrape of two versions, as both sides count them; one pod in two has an app."""
    for version, (ok, bad) in {"v1": (300, 1), "v2": (100, 20)}.items():
        for reporter in ("client", "server"):
            who = {
                "reporter": reporter,
                "source_workload": "storefront",
                "source_namespace": "shop",
                "destination_workload": f"{app}-{version}",
                "destination_app": app,
                "destination_namespace": "shop",
                "destination_version": version,
                "protocol": "HTTP/1.1",
                "instance": f"10.0.0.{1 if reporter == 'client' else 2}:9965",
            }
            for status, step in (("200", ok), ("500", bad)):
                yield rising({"__name__": "acme_http_requests_total", **who, "status": status}, step)
            for le, share in SECONDS:
                bucket = {"__name__": "acme_http_request_duration_seconds_bucket", **who, "le": le}
                yield rising(bucket, share * (ok + bad))


@pytest.fixture
def mesh() -> Mesh:
    return Mesh.detect(engine(requests(), requests("cart")), "a test")


def test_it_is_detected_beside_the_others_and_named_where_nothing_is_found(mesh: Mesh) -> None:
    assert mesh.name == "Acme"
    assert Mesh.detect(engine(requests(), canary()), "a test").name == "Acme and Istio"
    assert Mesh.detect(engine(requests(), canary()), "a test", options=MeshOptions(mesh="acme")).name == "Acme"
    with pytest.raises(ParameterError, match="looked for Acme: acme_http_requests_total: set acme"):
        Mesh.detect(engine(), "a test")


def test_a_profile_may_name_it(tmp_path: Path) -> None:
    (tmp_path / "meshlab.toml").write_text('[profile.prod]\nurl = "http://x"\nmesh = "acme"\n')
    assert load(tmp_path).profiles["prod"].mesh == "acme"


@pytest.mark.parametrize("reporter", Reporter)
def test_requests_and_durations_are_counted(mesh: Mesh, reporter: Reporter) -> None:
    window = mesh.window()
    frame = mesh.request_counts(window, ["destination_service", "code"], reporter=reporter, block_ms=15_000).frame
    counted = frame.groupby(["destination_service", "code"])["count"].sum().to_dict()
    assert counted == {(app, code): n * 60 for app in ("catalog", "cart") for code, n in (("200", 400), ("500", 21))}
    slow = mesh.latency_buckets(window, [], reporter=reporter, block_ms=15_000).frame
    assert sorted(set(slow["le"])) == [10.0, 50.0, 100.0, np.inf]


def test_a_service_that_cannot_be_asked_for_is_found_all_the_same(mesh: Mesh) -> None:
    """Its name stands in one of two labels: all rows are asked for, and filtered."""
    window = mesh.window()
    subject = mesh.find("catalog", window)
    assert subject == Subject("", "shop", "catalog")
    known = mesh.combinations(subject, window, ["destination_version"])
    assert known["destination_version"].tolist() == ["v1", "v2"]
    with pytest.raises(ParameterError, match="did you mean catalog"):
        mesh.find("catalogue", window)


def test_a_canary_is_judged(mesh: Mesh) -> None:
    question = Canary()
    settings = question.settings(service="catalog", baseline="v1", canary="v2")
    result = question.answer(question.collect(mesh, mesh.window(), settings), settings)
    assert result.verdict is Verdict.FAIL
    errors = next(finding for finding in result.findings if finding.code == "ML-CAN-001")
    assert errors.verdict is Verdict.FAIL


def test_the_doctor_sees_what_can_be_asked_of_it(mesh: Mesh, tmp_path: Path) -> None:
    window = mesh.window()
    series = mesh.engine.samples(*mesh.dialect.recorded[:1], window)
    manifest = {"window": {"start": window.start.isoformat(), "end": window.end.isoformat()}, "ranges": "closed"}
    write_folder(tmp_path / "cilium", Stored(series, manifest))
    found = examine("./cilium", cwd=tmp_path)
    assert found.meshes == ("Acme",)
    assert {service.subject.service for service in found.services} == {"catalog", "cart"}
    assert {asked.notebook: asked.readiness.state for asked in found.questions}["canary-verdict"] is State.READY


def test_what_it_lacks_has_a_remedy(mesh: Mesh) -> None:
    assert mesh.remedy("destination") == "let an L7 policy of the service's pods select HTTP"
    assert mesh.remedy("certificates") == "Acme does not export it"
    both = Mesh.detect(engine(requests(), canary()), "a test")
    assert (
        both.remedy("source")
        == "Acme: let an L7 policy of the callers' pods select HTTP; Istio: put the callers into the mesh"
    )


def test_no_file_of_the_package_knows_it() -> None:
    for file in Path(meshlab.__file__).parent.rglob("*.py"):
        assert "acme" not in file.read_text().lower()
