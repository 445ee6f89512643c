"""The two listeners of a sidecar: in front of its service, and behind it."""

from __future__ import annotations

from meshlab.lab.addresses import INBOUND_PORT, OUTBOUND_PORT
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar import identity, rbac, telemetry, tls
from meshlab.lab.sidecar.bootstrap import dynamic
from meshlab.lab.sidecar.messages import Json, named, resource, socket
from meshlab.lab.sidecar.routes import FAULT, INBOUND, OUTBOUND
from meshlab.lab.specs.security import Mode
from meshlab.lab.topology import Replica

__all__ = ["listeners"]

_KIND = "envoy.config.listener.v3.Listener"


def listeners(scenario: Scenario, replica: Replica) -> list[Json]:
    """Both listeners. A permissive workload accepts plaintext as well, on a filter chain of its own."""
    chains = [
        {
            "name": "mutual-tls",
            "filter_chain_match": {"transport_protocol": "tls"},
            "transport_socket": tls.downstream(),
            "filters": [_inbound(replica, mutual_tls=True)],
        }
    ]
    if scenario.security.mode_of(replica.name) is Mode.PERMISSIVE:
        chains.append(
            {
                "name": "plain-text",
                "filter_chain_match": {"transport_protocol": "raw_buffer"},
                "filters": [_inbound(replica, mutual_tls=False)],
            }
        )
    inspector = named("tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")
    return [
        resource(
            _KIND,
            name=INBOUND,
            stat_prefix=INBOUND,
            address=socket(replica.address, INBOUND_PORT),
            listener_filters=[inspector],
            filter_chains=chains,
        ),
        resource(
            _KIND,
            name=OUTBOUND,
            stat_prefix=OUTBOUND,
            address=socket(replica.address, OUTBOUND_PORT),
            filter_chains=[{"filters": [_outbound(replica)]}],
        ),
    ]


def _inbound(replica: Replica, *, mutual_tls: bool) -> Json:
    filters = [_read_peer("request_rules", identity.SOURCE_HEADER, "src")]
    if mutual_tls:
        # Callers outside the mesh do not get our identity.
        filters.append(_send_identity("response_mutations", identity.DESTINATION_HEADER, replica))
    filters.append(rbac.base())
    return _http(INBOUND, filters, telemetry.destination_tags(replica, mutual_tls=mutual_tls))


def _outbound(replica: Replica) -> Json:
    filters = [
        _read_peer("response_rules", identity.DESTINATION_HEADER, "dst"),
        named(FAULT, "envoy.extensions.filters.http.fault.v3.HTTPFault"),
        _send_identity("request_mutations", identity.SOURCE_HEADER, replica),
    ]
    return _http(OUTBOUND, filters, telemetry.source_tags(replica))


def _http(name: str, filters: list[Json], tags: dict[str, str]) -> Json:
    router = named("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")
    return named(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        http_filters=[*filters, router],
        rds={"route_config_name": name, "config_source": dynamic()},
        access_log=[telemetry.access_log(tags)],
    )


def _read_peer(rules: str, header: str, key: str) -> Json:
    """Parse the peer's identity header into metadata and take it off, so that no service ever sees it."""
    present = {"metadata_namespace": telemetry.METADATA, "key": key, "type": "PROTOBUF_VALUE", "encode": "BASE64"}
    return named(
        "envoy.filters.http.header_to_metadata",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        **{rules: [{"header": header, "remove": True, "on_header_present": present}]},
    )


def _send_identity(mutations: str, header: str, replica: Replica) -> Json:
    """Overwrite the identity header: a service cannot forge it."""
    value = {"key": header, "value": identity.encode(replica.identity)}
    return named(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={mutations: [{"append": {"header": value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]},
    )
