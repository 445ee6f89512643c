"""Routes of both sides: splits, retries, time-outs, mirrors, faults; and authorization on the way in."""

from __future__ import annotations

from typing import Final

from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar import rbac
from meshlab.lab.sidecar.messages import Json, duration, percent, resource
from meshlab.lab.specs.traffic import Fault, Mirror, Retries, Traffic
from meshlab.lab.topology import Replica, Topology, Upstream

__all__ = ["APP_CLUSTER", "FAULT", "INBOUND", "OUTBOUND", "routes"]

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"
APP_CLUSTER: Final = "inbound|80||"
FAULT: Final = "envoy.filters.http.fault"
_KIND: Final = "envoy.config.route.v3.RouteConfiguration"


def routes(scenario: Scenario, topology: Topology, replica: Replica) -> list[Json]:
    """The two route configurations of a sidecar."""
    own = {"match": {"prefix": "/"}, "route": {"cluster": APP_CLUSTER, "timeout": "0s"}}
    allowed = rbac.per_route(scenario.security.authorizations.get(replica.name), replica.namespace)
    if allowed:
        own["typed_per_filter_config"] = allowed
    hosts = [_virtual_host(scenario, topology, service) for service in replica.spec.calls]
    return [
        resource(_KIND, name=INBOUND, virtual_hosts=[{"name": INBOUND, "domains": ["*"], "routes": [own]}]),
        resource(_KIND, name=OUTBOUND, virtual_hosts=hosts),
    ]


def _virtual_host(scenario: Scenario, topology: Topology, service: str) -> Json:
    traffic, weights = scenario.traffic(service), scenario.splits.get(service)
    upstreams = topology.upstreams(service, mirror=traffic.mirror.version)
    action: Json = {"timeout": duration(traffic.timeout_ms)}
    if weights is None:
        action["cluster"] = upstreams[0].cluster
    else:
        action["weighted_clusters"] = {
            "clusters": [
                {"name": upstream.cluster, "weight": weights[upstream.version]}
                for upstream in upstreams
                if upstream.version in weights
            ]
        }
    action |= _retries(traffic.retries) | _mirror(traffic.mirror, upstreams)
    route: Json = {"match": {"prefix": "/"}, "route": action}
    faults = _fault(traffic)
    if faults:
        route["typed_per_filter_config"] = faults
    host = upstreams[0].host
    return {
        "name": f"{host}:80",
        "domains": [host, f"{host}:80"],
        "include_request_attempt_count": True,
        "routes": [route],
    }


def _retries(retries: Retries) -> Json:
    if not retries.attempts:
        return {}
    policy: Json = {
        "retry_on": retries.on,
        "num_retries": retries.attempts,
        "retry_back_off": {
            "base_interval": duration(retries.back_off_ms),
            "max_interval": duration(10 * retries.back_off_ms),
        },
    }
    if retries.per_try_timeout_ms:
        policy["per_try_timeout"] = duration(retries.per_try_timeout_ms)
    return {"retry_policy": policy}


def _mirror(mirror: Mirror, upstreams: tuple[Upstream, ...]) -> Json:
    if not mirror.version or not mirror.percent:
        return {}
    into = next(upstream for upstream in upstreams if upstream.version == mirror.version)
    return {
        "request_mirror_policies": [
            {
                "cluster": into.cluster,
                "runtime_fraction": {"default_value": percent(mirror.percent)},
                "disable_shadow_host_suffix_append": True,
            }
        ]
    }


def _fault(traffic: Traffic) -> Json:
    fault: Fault = traffic.fault
    parts: Json = {}
    if fault.abort_percent:
        parts["abort"] = {"http_status": fault.abort_status, "percentage": percent(fault.abort_percent)}
    if fault.delay_percent and fault.delay_ms:
        parts["delay"] = {"fixed_delay": duration(fault.delay_ms), "percentage": percent(fault.delay_percent)}
    return {FAULT: resource("envoy.extensions.filters.http.fault.v3.HTTPFault", **parts)} if parts else {}
