"""The few shapes of which Envoy's configuration is full."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["Json", "assignment", "duration", "named", "percent", "resource", "socket"]

Json = dict[str, Any]
_TYPE: Final = "type.googleapis.com"


def named(name: str, kind: str, **fields: Any) -> Json:
    """An extension: a name and a typed configuration."""
    return {"name": name, "typed_config": resource(kind, **fields)}


def resource(kind: str, **fields: Any) -> Json:
    """A message with its own type."""
    return {"@type": f"{_TYPE}/{kind}", **fields}


def socket(address: str, port: int) -> Json:
    """An address of a listener or an endpoint."""
    return {"socket_address": {"address": address, "port_value": port}}


def assignment(cluster: str, address: str, port: int) -> Json:
    """The one endpoint of a static cluster."""
    endpoint = {"endpoint": {"address": socket(address, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}


def duration(milliseconds: float) -> str:
    """A duration as protobuf's JSON writes it; 0 stands for "none" in Envoy's time-outs."""
    return f"{milliseconds / 1000:.6f}".rstrip("0").rstrip(".") + "s"


def percent(share: float) -> Json:
    """A FractionalPercent, to a hundredth of a per cent."""
    return {"numerator": round(share * 100), "denominator": "TEN_THOUSAND"}
