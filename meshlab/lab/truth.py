"""What the lab knows because it set it: the part of a recording's truth that follows from the scenario alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import astuple

from meshlab.lab.power import Design, power
from meshlab.lab.scenario import Canary, Scenario
from meshlab.lab.specs.load import Load
from meshlab.lab.specs.scaling import Autoscaler
from meshlab.lab.specs.security import Security
from meshlab.lab.specs.workloads import WorkloadSpec

__all__ = ["scenario_truth"]

_OTHER_CANARY_SHARE: Final = 0.1
_AIM: Final = 0.95


def scenario_truth(scenario: Scenario, seed: int, duration_s: float) -> dict[str, Any]:
    """The scenario as it was run.

    Parameters
    ----------
    scenario : Scenario
        With all overrides.
    seed : int
        The seed that was used.
    duration_s : float
        Length of the recorded window.

    Returns
    -------
    dict
        JSON types only: scenario, seed, workloads, clusters, weights, traffic policies, security, autoscalers, events,
        load and, where there is a canary, its power.
    """
    truth: dict[str, Any] = {
        "scenario": scenario.name,
        "description": scenario.description,
        "seed": seed,
        "namespace": scenario.namespace,
        "duration_s": duration_s,
        "scrape_interval_s": scenario.scrape_interval_s,
        "workloads": {name: _without(spec, "name") for name, spec in scenario.workloads.items()},
        "clusters": list(scenario.clusters),
        "weights": scenario.splits,
        "traffic": to_builtins(scenario.traffics),
        "security": _security(scenario.security),
        "autoscaler_specs": {name: _autoscaler(spec) for name, spec in scenario.autoscalers.items()},
        "events": [
            {
                "at_s": event.at_s,
                "until_s": event.until_s if event.until_s < math.inf else None,
                "what": event.what,
                "set": event.settings,
            }
            for event in scenario.events
        ],
        "load": {"process": "open loop, Poisson arrivals", **_load(scenario.load)},
    }
    if scenario.canary is not None:
        truth["canary"] = to_builtins(scenario.canary)
        truth["power"] = _power(scenario, scenario.canary, duration_s)
    return truth


def _without(spec: WorkloadSpec | Autoscaler, key: str) -> dict[str, Any]:
    return {name: value for name, value in to_builtins(spec).items() if name != key}


def _load(load: Load) -> dict[str, Any]:
    values = to_builtins(load)
    del values["shape"]
    shapes = [
        {**to_builtins(shape), "end_s": shape.end_s or shape.start_s, "rate_per_s": shape.rate_per_s or 0.0}
        for shape in load.shapes
    ]
    return {**values, "shapes": shapes}


def _autoscaler(spec: Autoscaler) -> dict[str, Any]:
    policies = {name: [list(astuple(p)) for p in getattr(spec, name)] for name in ("up_policies", "down_policies")}
    return {**_without(spec, "workload"), **policies}


def _security(security: Security) -> dict[str, Any]:
    values = to_builtins(security)
    rules = values.pop("authorization")
    return {
        **values,
        "modes": [list(pair) for pair in values["modes"].items()],
        "authorizations": [{"workload": name, **own} for name, own in rules.items()],
    }


def _power(scenario: Scenario, canary: Canary, duration_s: float) -> dict[str, Any]:
    behind = [spec for spec in scenario.workloads.values() if spec.service == canary.service]
    # As its own sidecar sees it: its own errors only, for nothing lies behind it here.
    share_of = {spec.version: spec.error_share for spec in behind}
    share = scenario.share(canary.service, canary.canary)
    if not 0 < share < 1:
        return {"note": "all requests go to one version: there is nothing to compare"}
    design = Design(
        baseline_error_share=share_of[canary.baseline],
        canary_error_share=share_of[canary.canary],
        canary_share=share,
        requests=scenario.load.rate_per_s * duration_s,
        alpha=canary.alpha,
    )
    result = power(design)
    others = {
        "half the duration": replace(design, requests=design.requests / 2),
        f"a split of {_OTHER_CANARY_SHARE:.0%}": replace(design, canary_share=_OTHER_CANARY_SHARE),
    }
    result["other_designs"] = {name: power(other) for name, other in others.items()}
    result["aim"] = (
        f"load, split and length are to give an identical canary a chance of at least {_AIM:.0%} to pass an"
        " anytime-valid test, which may look at any moment and pays for that with data; its figures count the look at"
        " the end alone, so they are lower bounds"
    )
    result["aim_reached"] = (result["pass_when_identical"]["anytime"] or 0.0) >= _AIM
    return result
