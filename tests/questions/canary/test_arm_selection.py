"""What tells two arms apart, and which is which."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import mesh_series
import pytest
from istio_series import Series, canary, engine

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, Verdict
from meshlab.errors import ParameterError
from meshlab.questions.canary import Canary, CanarySettings
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.source import open_engine

ROOT = Path(__file__).parents[3]

NOT_MEASURED = None
QUESTION = Canary()


def mesh(*series: Iterable[Series]) -> Mesh:
    return Mesh.detect(engine(*series), "a test")


def collected(m: Mesh, **given: str) -> tuple[Evidence, CanarySettings]:
    settings = CanarySettings(**{"service": "catalog", **given})
    return QUESTION.collect(m, m.window(), settings), settings


def chosen(m: Mesh, **given: str) -> tuple[str, str, str]:
    arms = collected(m, **given)[0].facts.arms
    return arms.arm_by, arms.baseline, arms.canary


def judged(m: Mesh, **given: str) -> Result:
    return QUESTION.answer(*collected(m, **given))


def counts(result: Result) -> dict[tuple[str, str], tuple[int, int]]:
    rows = result.tables["arms"].itertuples()
    return {(r.version, r.reporter): (r.requests, r.errors) for r in rows}


def without(series: Iterable[Series], *labels: str, **others: str) -> list[Series]:
    return [({k: v for k, v in {**w, **others}.items() if k not in labels}, t, v) for w, t, v in series]


def flagger() -> list[Series]:
    """Two canonical services, two hosts, no version: what Flagger makes of one deployment."""
    out = []
    for service, (ok, bad) in (("catalog-primary", (30, 1)), ("catalog", (10, 1))):
        host = service if service.endswith("primary") else f"{service}-canary"
        for who, at, value in canary({"v1": (ok, bad)}, service=service):
            named = {"destination_version": "unknown", "destination_workload": service, "pod": f"{service}-0"}
            out.append(({**who, **named, "destination_service": f"{host}.shop.svc.cluster.local"}, at, value))
    return out


def rollout(first: int = 0, second: int = 20, label: str = "rollouts_pod_template_hash") -> list[Series]:
    """One workload of two replica sets; their hashes are labels of the called pods."""
    out = []
    for hashed, (ok, bad), start in (("7f9c", (30, 1), first), ("1a2b", (10, 1), second)):
        for who, at, value in canary({"v1": (ok, bad)}):
            labels = {**who, "destination_version": "unknown", "destination_workload": "catalog"}
            labels |= {"pod": f"catalog-{hashed}-0", label: hashed} if who["reporter"] == "destination" else {}
            if who["reporter"] == "destination" or hashed == "7f9c":
                out.append((labels, at[start:], value[start:]))
    return out


def test_all_services_are_compared_by_version() -> None:
    m = mesh(canary(), canary({"v1": (5, 0)}, service="cart"))
    evidence = QUESTION.collect(m, m.window())
    assert evidence.facts.arms is None
    assert set(evidence.frames["source"]["arm"]) == {"v1", "v2"}
    subject = m.find("catalog", m.window())
    result = QUESTION.answer(evidence, CanarySettings(baseline="v1", canary="v2"), subject)
    assert counts(result)["v2", "source"] == (660, 60)


def test_named_versions_are_versions() -> None:
    assert chosen(mesh(canary()), baseline="v1", canary="v2") == ("version", "v1", "v2")


@pytest.mark.parametrize("arm_by", ["", "workload"])
def test_named_workloads_are_workloads(arm_by: str) -> None:
    m = mesh(canary())
    names = {"baseline": "catalog-v1", "canary": "catalog-v2", "arm_by": arm_by}
    assert chosen(m, **names) == ("workload", "catalog-v1", "catalog-v2")
    assert counts(judged(m, **names)) == counts_by_version(judged(m, baseline="v1", canary="v2"))


def counts_by_version(result: Result) -> dict[tuple[str, str], tuple[int, int]]:
    return {(f"catalog-{version}", side): found for (version, side), found in counts(result).items()}


def test_named_services_are_services() -> None:
    m = mesh(flagger())
    names = {"baseline": "catalog-primary", "canary": "catalog", "arm_by": "service"}
    assert chosen(m, **names) == ("service", "catalog-primary", "catalog")


def test_named_revisions_are_revisions() -> None:
    m = mesh(
        without(canary({"v1": (30, 1)}), destination_version="unknown", destination_canonical_revision="r1"),
        without(canary({"v2": (10, 1)}), destination_version="unknown", destination_canonical_revision="r2"),
    )
    assert chosen(m, baseline="r1", canary="r2") == ("revision", "r1", "r2")
    assert counts(judged(m, baseline="r1", canary="r2"))["r2", "source"] == (660, 60)


def test_what_was_never_seen_is_refused_with_what_was() -> None:
    m = mesh(canary())
    with pytest.raises(ParameterError, match=r"no version 'v3'.*version: v1, v2; workload: catalog-v1, catalog-v2"):
        chosen(m, baseline="v1", canary="v3")
    with pytest.raises(ParameterError, match="did you mean catalog-v2"):
        chosen(m, baseline="catalog-v1", canary="catalog-v22")
    with pytest.raises(ParameterError, match="names of different kinds"):
        chosen(m, baseline="v1", canary="catalog-v2")
    with pytest.raises(ParameterError, match="no workload 'v1' of east/shop/catalog"):
        chosen(m, baseline="v1", canary="v2", arm_by="workload")


def test_flaggers_pair_is_found_and_its_subject_spans_both() -> None:
    m = mesh(flagger())
    evidence, settings = collected(m)
    assert str(evidence.facts.arms) == (
        "Compared by workload: canary catalog against baseline catalog-primary, named as Flagger names them."
    )
    assert evidence.subjects[0].services == ("catalog", "catalog-primary")
    result = QUESTION.answer(evidence, settings)
    assert result.subject == "east/shop/catalog"
    assert counts(result)["catalog-primary", "source"] == (1860, 60)
    assert counts(result)["catalog", "destination"] == (660, 60)
    assert chosen(m, service="catalog-primary") == ("workload", "catalog-primary", "catalog")


def test_linkerds_flagger_pair_is_found() -> None:
    def deployed(series: Series) -> Series:
        names = {"catalog-v1": "catalog-primary", "catalog-v2": "catalog"}
        who = {k: names.get(v, v) for k, v in series[0].items() if k not in {"version", "pod_template_hash"}}
        if "dst_service" in who:
            who["dst_service"] = {"catalog": "catalog-canary"}.get(who["dst_deployment"], who["dst_deployment"])
        return who, series[1], series[2]

    m = mesh([deployed(s) for s in mesh_series.linkerd()])
    assert chosen(m, service="catalog") == ("workload", "catalog-primary", "catalog")
    assert counts(judged(m))["catalog-primary", "source"] == (1860, 60)
    assert counts(judged(m))["catalog", "destination"] == (660, 60)


@pytest.mark.parametrize("label", ["rollouts_pod_template_hash", "pod_template_hash"])
def test_a_rollout_is_told_apart_at_the_called_side(label: str) -> None:
    m = mesh(rollout(label=label))
    assert chosen(m) == ("revision", "7f9c", "1a2b")
    result = judged(m)
    assert counts(result)["7f9c", "destination"][0] == 930, "without the first minute of the other"
    assert counts(result)["7f9c", "source"] == (0, 0)
    finding = next(f for f in result.findings if f.code == "ML-CAN-005")
    assert (finding.verdict, finding.key) == (NOT_MEASURED, "canary.reporters.blind")


def test_the_later_of_two_versions_is_the_canary() -> None:
    late = [(w, t[20:], v[20:]) for w, t, v in canary({"v1": (10, 1)})]
    m = mesh(canary({"v2": (30, 1)}), late)
    assert chosen(m) == ("version", "v2", "v1")


def test_of_two_versions_that_were_always_there_the_one_with_clearly_fewer_requests_is_the_canary() -> None:
    assert chosen(mesh(canary())) == ("version", "v1", "v2")
    alike = canary({"v1": (10, 1), "v2": (10, 1)})
    with pytest.raises(ParameterError, match=r"v1 and v2 of east/shop/catalog were both there.*baseline = \"v1\""):
        chosen(mesh(alike))


def test_a_canary_that_was_told_by_its_requests_alone_never_passes_where_the_other_version_is_worse() -> None:
    m, question = mesh(canary({"v1": (30, 6), "v2": (10, 0)})), Canary()
    evidence = question.collect(m, m.window(), question.settings(service="catalog"))
    swept = question.answer(evidence, question.settings())
    assert swept.verdict is Verdict.INCONCLUSIVE
    assert "canary.roles.unknown" in {finding.key for finding in swept.findings}
    settings = question.settings(service="catalog", baseline="v1", canary="v2")
    named = question.answer(question.collect(m, m.window(), settings), settings)
    assert "canary.roles.unknown" not in {finding.key for finding in named.findings}


def test_one_version_only_goes_on_to_the_next_way() -> None:
    first = without(canary({"v1": (30, 1)}), destination_version="unknown")
    second = without(canary({"v2": (10, 1)}), destination_version="unknown")
    m = mesh(first, [(w, t[20:], v[20:]) for w, t, v in second])
    assert chosen(m) == ("workload", "catalog-v1", "catalog-v2")
    with pytest.raises(ParameterError, match=r"no two arms.*it has version: none; workload: catalog-v1; rev"):
        chosen(mesh(first))
    with pytest.raises(ParameterError, match=r"name them; it has version: v1, v2, v3$"):
        chosen(mesh(canary(dict.fromkeys(("v1", "v2", "v3"), (9, 1)))), arm_by="version")


def test_two_envoy_clusters_are_arms_of_a_service_that_is_none() -> None:
    m = mesh(mesh_series.envoy({"v1": (300, 3), "v2": (100, 20)}))
    names = {"baseline": "catalog-v1", "canary": "catalog-v2", "arm_by": "service"}
    result = judged(m, service="checkout", **names)
    assert result.subject == "-/-/checkout"
    assert counts(result)["catalog-v2", "source"] == (120 * 60, 20 * 60)
    assert result.verdict is Verdict.FAIL
    slower = next(f for f in result.findings if f.code == "ML-CAN-002")
    assert slower.value == pytest.approx(0.5)
    assert "Measured at the source" in slower.statement


def test_envoys_statistics_of_a_recording_tell_the_errors_that_the_mesh_tells() -> None:
    recording = open_engine("canary-regression", cwd=ROOT)
    names = {"baseline": "v1", "canary": "v2"}
    alone = Mesh.detect(recording, "canary-regression", options=MeshOptions(mesh="envoy"))
    ours, theirs = (judged(m, **names).tables["arms"] for m in (Mesh.detect(recording, "canary-regression"), alone))
    mine, other = (t[t["reporter"] == "source"][["version", "requests", "errors"]] for t in (ours, theirs))
    assert mine.equals(other)


def test_a_class_of_codes_tells_errors_as_well() -> None:
    m = mesh(mesh_series.envoy(codes=False, classes=True))
    result = judged(m, service="checkout", baseline="catalog-v1", canary="catalog-v2", arm_by="service")
    assert counts(result)["catalog-v1", "source"] == (31 * 60, 60)


@pytest.mark.parametrize("arm_by", ["workload", "revision"])
def test_linkerds_arms(arm_by: str) -> None:
    m = mesh(mesh_series.linkerd())
    names = {"workload": ("catalog-v1", "catalog-v2"), "revision": ("hashv1", "hashv2")}[arm_by]
    result = judged(m, baseline=names[0], canary=names[1])
    for side in ("source", "destination"):
        assert counts(result)[names[0], side] == (31 * 60, 60), "503 and no answer at all"
        assert counts(result)[names[1], side] == (11 * 60, 60)


def test_an_ambient_service_is_judged() -> None:
    result = judged(mesh(mesh_series.istio("waypoint")), baseline="v1", canary="v2")
    assert counts(result)["v1", "source"] == counts(result)["v1", "destination"] == (31 * 60, 60)


def test_arms_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ParameterError, match="did you mean version"):
        CanarySettings(service="catalog", arm_by="versions")
    with pytest.raises(ParameterError, match="leave both empty"):
        CanarySettings(service="catalog", baseline="v1")
