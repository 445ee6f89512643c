"""The bootstrap of one sidecar, made from the topology alone: nothing is read or written here."""

from __future__ import annotations

from typing import Any, Final

from meshlab.lab import identity, telemetry
from meshlab.lab.addresses import ADMIN_PORT, APP_PORT, INBOUND_PORT, OUTBOUND_PORT
from meshlab.lab.topology import TRUST_DOMAIN, Topology, Upstream, Workload

__all__ = ["bootstrap", "weight_key"]

Json = dict[str, Any]

_TYPE: Final = "type.googleapis.com"
_APP_CLUSTER: Final = "inbound|80||"
_UNLIMITED: Final = 4_294_967_295


def bootstrap(topology: Topology, workload: Workload, certificates: str) -> Json:
    """Build a sidecar's whole configuration.

    Parameters
    ----------
    topology : Topology
        All workloads.
    workload : Workload
        Whose sidecar it is.
    certificates : str
        Folder with ``cert.pem``, ``key.pem`` and ``root.pem``.

    Returns
    -------
    dict
        An Envoy bootstrap, ready for JSON.
    """
    upstreams = [upstream for service in workload.spec.calls for upstream in topology.upstreams(service)]
    return {
        "node": {
            "id": f"{workload.pod}.{workload.namespace}",
            "cluster": f"{workload.spec.service}.{workload.namespace}",
        },
        "admin": {"address": _socket(workload.address, ADMIN_PORT)},
        # Histograms are merged only when statistics are flushed: with the usual 5 s they would lag their counters.
        "stats_flush_interval": "1s",
        "stats_config": telemetry.stats_config(),
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "listeners": [_inbound(workload, certificates), _outbound(topology, workload)],
            "clusters": [_app(workload), *(_cluster(upstream, certificates) for upstream in upstreams)],
        },
    }


def weight_key(upstream: Upstream) -> str:
    """The runtime key that sets an upstream's weight in a running sidecar."""
    return f"{_weight_prefix(upstream.service)}.{upstream.cluster}"


def _weight_prefix(service: str) -> str:
    return f"routing.{service}"


def _inbound(workload: Workload, certificates: str) -> Json:
    """Permissive, as Istio's default: mutual TLS from sidecars, plain text from outside the mesh."""
    return {
        "name": "inbound",
        "stat_prefix": "inbound",
        "address": _socket(workload.address, INBOUND_PORT),
        "listener_filters": [
            _named("tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")
        ],
        "filter_chains": [
            {
                "filter_chain_match": {"transport_protocol": "tls"},
                "transport_socket": _named(
                    "envoy.transport_sockets.tls",
                    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    require_client_certificate=True,
                    common_tls_context=_tls(certificates, [{"prefix": f"spiffe://{TRUST_DOMAIN}/"}]),
                ),
                "filters": [_inbound_http(workload, mutual_tls=True)],
            },
            {
                "filter_chain_match": {"transport_protocol": "raw_buffer"},
                "filters": [_inbound_http(workload, mutual_tls=False)],
            },
        ],
    }


def _inbound_http(workload: Workload, *, mutual_tls: bool) -> Json:
    filters = [_read_peer("request_rules", identity.SOURCE_HEADER, "src")]
    if mutual_tls:
        # Callers outside the mesh are not told who we are.
        filters.append(_send_identity("response_mutations", identity.DESTINATION_HEADER, workload))
    route = {"match": {"prefix": "/"}, "route": {"cluster": _APP_CLUSTER, "timeout": "0s"}}
    hosts = [{"name": "inbound", "domains": ["*"], "routes": [route]}]
    return _http("inbound", filters, hosts, telemetry.destination_tags(workload, mutual_tls=mutual_tls))


def _outbound(topology: Topology, workload: Workload) -> Json:
    filters = [
        _read_peer("response_rules", identity.DESTINATION_HEADER, "dst"),
        _send_identity("request_mutations", identity.SOURCE_HEADER, workload),
    ]
    hosts = [_virtual_host(topology, service) for service in workload.spec.calls]
    return {
        "name": "outbound",
        "stat_prefix": "outbound",
        "address": _socket(workload.address, OUTBOUND_PORT),
        "filter_chains": [{"filters": [_http("outbound", filters, hosts, telemetry.source_tags(workload))]}],
    }


def _virtual_host(topology: Topology, service: str) -> Json:
    upstreams = topology.upstreams(service)
    split = topology.split(service)
    action: Json = {"timeout": "0s"}
    if split is None:
        action["cluster"] = upstreams[0].cluster
    else:
        weights = dict(split.weights)
        action["weighted_clusters"] = {
            "clusters": [{"name": upstream.cluster, "weight": weights[upstream.version]} for upstream in upstreams],
            "runtime_key_prefix": _weight_prefix(service),
        }
    host = upstreams[0].host
    return {
        "name": f"{host}:80",
        "domains": [host, f"{host}:80"],
        "routes": [{"match": {"prefix": "/"}, "route": action}],
    }


def _http(name: str, filters: list[Json], hosts: list[Json], tags: dict[str, str]) -> Json:
    return _named(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        http_filters=[*filters, _named("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")],
        route_config={"name": name, "virtual_hosts": hosts},
        access_log=[telemetry.access_log(tags)],
    )


def _read_peer(rules: str, header: str, key: str) -> Json:
    """Parse the peer's identity header into metadata and take it off, so that no service ever sees it."""
    present = {"metadata_namespace": telemetry.METADATA, "key": key, "type": "PROTOBUF_VALUE", "encode": "BASE64"}
    return _named(
        "envoy.filters.http.header_to_metadata",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        **{rules: [{"header": header, "remove": True, "on_header_present": present}]},
    )


def _send_identity(mutations: str, header: str, workload: Workload) -> Json:
    """Overwrite the identity header: a service cannot forge it."""
    value = {"key": header, "value": identity.encode(workload.identity)}
    return _named(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={mutations: [{"append": {"header": value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]},
    )


def _app(workload: Workload) -> Json:
    return {
        "name": _APP_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _no_limits(),
        "load_assignment": _endpoints(_APP_CLUSTER, [{"endpoint": {"address": _socket(workload.address, APP_PORT)}}]),
    }


def _cluster(upstream: Upstream, certificates: str) -> Json:
    endpoints = [
        {
            "endpoint": {"address": _socket(workload.address, INBOUND_PORT)},
            "metadata": {"filter_metadata": {telemetry.METADATA: workload.identity}},
        }
        for workload in upstream.workloads
    ]
    principals = sorted({workload.principal for workload in upstream.workloads})
    return {
        "name": upstream.cluster,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _no_limits(),
        "metadata": telemetry.cluster_metadata(upstream),
        "load_assignment": _endpoints(upstream.cluster, endpoints),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "transport_socket": _named(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni=upstream.sni,
            common_tls_context=_tls(certificates, [{"exact": principal} for principal in principals]),
        ),
    }


def _tls(certificates: str, peers: list[Json]) -> Json:
    return {
        "alpn_protocols": ["h2", "http/1.1"],
        # TLS 1.3 on both sides: an upstream would settle for 1.2 otherwise.
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [
            {
                "certificate_chain": {"filename": f"{certificates}/cert.pem"},
                "private_key": {"filename": f"{certificates}/key.pem"},
            }
        ],
        "validation_context": {
            "trusted_ca": {"filename": f"{certificates}/root.pem"},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer} for peer in peers],
        },
    }


def _no_limits() -> Json:
    """Istio's default: circuit breakers that never open."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"thresholds": [dict.fromkeys(limits, _UNLIMITED)]}


def _endpoints(cluster: str, endpoints: list[Json]) -> Json:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}


def _socket(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def _named(name: str, kind: str, **fields: Any) -> Json:
    """An extension of Envoy: a name and a typed configuration."""
    return {"name": name, "typed_config": {"@type": f"{_TYPE}/{kind}", **fields}}
