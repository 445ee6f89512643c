"""Scenarios: what is read, and how mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshlab.errors import ParameterError
from meshlab.lab.documents import bundled
from meshlab.lab.scenario import Scenario


def test_bundled_scenarios_differ_only_in_the_canary() -> None:
    bad, good = Scenario.named("canary-regression"), Scenario.named("canary-healthy")
    assert bad.load == good.load
    assert bad.load.rate_per_s == 150
    assert bad.splits == good.splits
    assert bad.duration_s == good.duration_s == 600
    assert bad.scrape_interval_s == 5
    assert bad.seed != good.seed
    v1, v2 = good.workload("catalog-v1"), good.workload("catalog-v2")
    assert (v1.error_share, v1.latency_factor, v1.service_time_median_ms) == (0.01, 1.0, 40.0)
    assert (v2.error_share, v2.latency_factor, v2.service_time_median_ms) == (0.01, 1.0, 40.0)
    worse = bad.workload("catalog-v2")
    assert (worse.error_share, worse.latency_factor) == (0.03, 1.3)
    assert bad.share("catalog", "v2") == 0.25


def test_every_bundled_scenario_describes_itself_in_one_line() -> None:
    assert bundled()
    for name, text in bundled().items():
        assert Scenario.parse(name, text).description.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("load.rate_per_s=50", lambda s: s.load.rate_per_s == 50.0),
        ("seed = 7", lambda s: s.seed == 7),
        ("workloads.catalog-v2.error_share=0.2", lambda s: s.workload("catalog-v2").error_share == 0.2),
        ("split.catalog.v2=0", lambda s: s.share("catalog", "v2") == 0.0),
        ("namespace=other", lambda s: s.namespace == "other"),
        ('workloads.ingress.calls=["storefront", "catalog"]', lambda s: s.workload("ingress").calls[1] == "catalog"),
    ],
)
def test_a_setting_changes_one_key(setting: str, read) -> None:  # type: ignore[no-untyped-def]
    assert read(Scenario.named("canary-healthy", [setting]))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("load.rate=5", ["load.rate", "rate_per_s"]),
        ("lod.rate_per_s=5", ["lod", "load"]),
        ("speed=5", ["speed", "seed"]),
        ("workloads.catalog-v3.error_share=0.1", ["workload", "catalog-v3", "catalog-v2"]),
        ("workloads.catalog-v2.error_shar=0.1", ["workloads.catalog-v2.error_shar", "did you mean error_share"]),
        ("workloads.catalog-v2.error_share=much", ["workloads.catalog-v2.error_share", "'much'", "a number"]),
        ("workloads.catalog-v2.error_share=1.5", ["error_share is 1.5", "from 0 to 1"]),
        ("workloads.catalog-v2.error_share=nan", ["error_share", "a number"]),
        ("workloads.catalog-v2.error_status=200", ["error_status", "from 400 to 599"]),
        ("workloads.catalog-v2.latency_factor=0", ["latency_factor", "above 0"]),
        ("workloads.ingress.calls='storefront'", ["workloads.ingress.calls", "a list"]),
        ("workloads.ingress.calls=['catalogue']", ["catalogue", "catalog"]),
        ("workloads.catalog-v1.calls=['ingress']", ["lead back"]),
        ("load.rate_per_s=0", ["load.rate_per_s", "above 0"]),
        ("load.rate_per_s=true", ["load.rate_per_s", "true"]),
        ("load.max_in_flight=2.5", ["load.max_in_flight", "a whole number"]),
        ("load.target=ingres", ["ingres", "ingress"]),
        ("split.catalog.v9=1", ["version of catalog", "v9", "v1"]),
        ("split.catalog=5", ["split.catalog", "table"]),
        ("canary.canary=v7", ["v7", "v2"]),
        ("canary.service=ingress", ["ingress", "catalog"]),
        ("namespace=Shop_1", ["namespace is 'Shop_1'", "lower-case letters"]),
        ("load.rate_per_s", ["load.rate_per_s", "key=value"]),
        ("=5", ["key=value"]),
        ("seed.x=1", ["seed", "not a table"]),
        ("load=5", ["load", "not a table"]),
    ],
)
def test_a_mistake_is_named_with_the_nearest_valid(setting: str, says: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        Scenario.named("canary-healthy", [setting])
    for part in says:
        assert part in str(caught.value)


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"canary-regresion.*canary-regression"):
        Scenario.named("canary-regresion")


def test_a_scenario_of_ones_own_is_read_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(bundled()["canary-healthy"])
    assert Scenario.named(str(path)).name == "mine"
    with pytest.raises(ParameterError, match="cannot be read"):
        Scenario.named(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "is no TOML"),
        ("", "description is not given"),
        ("description = 'x'\nduration_s = 1\n[load]\ntarget = 'a'\nrate_per_s = 1\n", "no workloads"),
        (
            "description = 'x'\nduration_s = 1\n[workloads.a]\nservice = 'a'\n",
            "workloads.a has no version",
        ),
        (
            "description = 'x'\n[workloads.A_b]\nservice = 'a'\nversion = 'v1'\n",
            "workloads is 'A_b', not a name of lower",
        ),
        (
            "description = 'x'\nduration_s = 9\n[workloads.a]\nservice = 'a'\nversion = 'v1'\n"
            "[load]\ntarget = 'a'\nrate_per_s = 1\n[split.a]\nv1 = 0\n",
            "all zero",
        ),
    ],
)
def test_a_broken_document_is_refused(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        Scenario.parse("broken", text)


def test_a_scenario_needs_no_split_and_no_canary() -> None:
    scenario = Scenario.parse(
        "small",
        "description = 'x'\nduration_s = 9\n[workloads.a]\nservice = 'a'\nversion = 'v1'\n"
        "[load]\ntarget = 'a'\nrate_per_s = 1\n",
    )
    assert scenario.splits == {}
    assert scenario.canary is None
