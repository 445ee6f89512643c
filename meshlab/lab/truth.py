"""What the lab knows because it set it: the part of a recording's truth that follows from the scenario alone."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Any, Final

from meshlab.lab.power import Design, power
from meshlab.lab.scenario import Canary, Scenario

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
        "workloads": {spec.name: _without(spec, "name") for spec in scenario.workloads},
        "clusters": list(scenario.clusters),
        "weights": {split.service: dict(split.weights) for split in scenario.splits},
        "traffic": {found.service: _without(found, "service") for found in scenario.traffics},
        "security": _plain(asdict(scenario.security)),
        "autoscaler_specs": {found.workload: _without(found, "workload") for found in scenario.autoscalers},
        "events": [
            {
                "at_s": event.at_s,
                "until_s": event.until_s if event.until_s < math.inf else None,
                "what": event.what,
                "set": _plain(dict(event.settings)),
            }
            for event in scenario.events
        ],
        "load": {"process": "open loop, Poisson arrivals", **_plain(asdict(scenario.load))},
    }
    if scenario.canary is not None:
        truth["canary"] = asdict(scenario.canary)
        truth["power"] = _power(scenario, scenario.canary, duration_s)
    return truth


def _without(found: Any, key: str) -> dict[str, Any]:
    return {name: value for name, value in _plain(asdict(found)).items() if name != key}


def _plain(value: Any) -> Any:
    """The same in JSON's own types, so that it is equal to what is read back."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, StrEnum) else value


def _power(scenario: Scenario, canary: Canary, duration_s: float) -> dict[str, Any]:
    share_of = {spec.version: _error_share(scenario, spec.name) for spec in scenario.of_service(canary.service)}
    split = scenario.split(canary.service)
    share = split.share(canary.canary) if split is not None else 0.0
    if not 0 < share < 1:
        return {"note": "all requests go to one version: there is nothing to compare"}
    design = Design(
        baseline_error_share=share_of[canary.baseline],
        canary_error_share=share_of[canary.canary],
        canary_share=share,
        requests=scenario.load.rate_per_s * duration_s,
        alpha=canary.alpha,
    )
    found = power(design)
    others = {
        "half the duration": replace(design, requests=design.requests / 2),
        f"a split of {_OTHER_CANARY_SHARE:.0%}": replace(design, canary_share=_OTHER_CANARY_SHARE),
    }
    found["other_designs"] = {name: power(other) for name, other in others.items()}
    found["aim"] = (
        f"load, split and length are to give an identical canary a chance of at least {_AIM:.0%} to pass an"
        " anytime-valid test, which may look at any moment and pays for that with data; its figures count the look at"
        " the end alone, so they are lower bounds"
    )
    found["aim_reached"] = (found["pass_when_identical"]["anytime"] or 0.0) >= _AIM
    return found


def _error_share(scenario: Scenario, workload: str) -> float:
    """Error share of a version, as its own sidecar sees it: its own errors only, for nothing lies behind it here."""
    return scenario.workload(workload).error_share
