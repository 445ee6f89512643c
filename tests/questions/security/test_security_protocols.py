"""What other protocols and meshes than HTTP over sidecars say, by series with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from istio_series import START, Series, engine, times
from mesh_series import linkerd, rising
from security_series import SA, finding, http, judged, tcp

from meshlab.core.results import Verdict
from meshlab.questions.security import Security
from meshlab.telemetry.mesh import Mesh

CLIENT = "storefront.shop.serviceaccount.identity.linkerd.cluster.local"


PLAIN = {"source_workload": "cron", "source_principal": "unknown", "connection_security_policy": "none"}


def test_connections_have_their_own_share_and_state_by_protocol() -> None:
    result = judged([rising(tcp(), 3), rising(tcp(**PLAIN), 1)])
    table = result.tables["protocols"]
    assert table[["unit", "protocol", "mtls", "plaintext"]].to_numpy().tolist() == [["connections", "tcp", 180, 60]]
    assert table["share"].tolist() == [0.75]
    strict = result.tables["strict"]
    assert strict[["source", "destination_workload", "port"]].to_numpy().tolist() == [["cron", "db", "not exported"]]
    assert "ports are not exported" in finding(result, "ML-SEC-003").statement


def test_a_connection_that_lives_long_is_seen_by_its_bytes() -> None:
    # Opened before the window: the counter stands still, and its bytes go on.
    still = (tcp(**PLAIN), times(), np.full(61, 4.0))
    sent = (tcp("istio_tcp_sent_bytes_total", **PLAIN), 500)
    result = judged([still, rising(*sent), rising(tcp(), 3), rising(tcp("istio_tcp_sent_bytes_total"), 900)])
    strict = result.tables["strict"]
    assert strict[["source", "unit"]].to_numpy().tolist() == [["cron", "bytes"]]
    # The bytes of what was opened in the window say nothing new.
    assert result.tables["edges"].groupby("unit")["mtls"].sum().to_dict() == {"bytes": 0, "connections": 180}
    score = next(f.value for f in result.findings if f.code == "ML-SEC-014")
    assert score is not None
    assert score < 100


def test_what_the_node_proxy_calls_unknown_is_plain_and_what_it_denied_is_listed() -> None:
    node = {"app": "ztunnel"}
    result = judged(
        [
            rising(tcp(**node), 10),
            rising(tcp(**node, **{**PLAIN, "connection_security_policy": "unknown"}), 5),
            rising(tcp("istio_tcp_connections_failed_total", response_flags="DENY", **node), 1),
            # No denial.
            rising(tcp("istio_tcp_connections_failed_total", response_flags="CONNECT", **node), 4),
        ]
    )
    told = result.tables["edges"].set_index("source")["state"].to_dict()
    assert told == {"web": "mtls", "cron": "plaintext"}
    row = result.tables["denials"].iloc[0]
    assert (row["source"], row["unit"], row["by"], row["denied"], row["total"]) == (
        "web",
        "connections",
        "mesh",
        60,
        600,
    )
    assert "the mesh's own policy" in finding(result, "ML-SEC-007").statement


def test_a_sidecar_that_does_not_know_is_not_called_plain() -> None:
    result = judged([rising(tcp(connection_security_policy="unknown"), 3)])
    assert result.tables["edges"]["state"].tolist() == ["unverified"]
    assert finding(result, "ML-SEC-001").verdict is Verdict.INCONCLUSIVE


def authz(name: str, step: float, **more: str) -> Series:
    who = {"__name__": name, "deployment": "catalog-v1", "namespace": "shop", "pod": "catalog-v1-0"}
    return rising({**who, "target_port": "8080", "tls": "true", "client_id": CLIENT, "srv_port": "8080", **more}, step)


def test_linkerds_states_ports_and_denials() -> None:
    inbound = {"direction": "inbound", "peer": "src", "deployment": "catalog-v1", "namespace": "shop"}
    plain = {"tls": "no_identity", "no_tls_reason": "no_tls_from_remote", "target_port": "8080"}
    result = judged(
        linkerd(),
        [
            rising({"__name__": "tcp_open_total", **inbound, "tls": "true", "client_id": CLIENT}, 4),
            rising({"__name__": "tcp_open_total", **inbound, **plain}, 2),
            # TLS without the client's certificate is not mutual.
            rising({"__name__": "tcp_open_total", **inbound, "tls": "true", "client_id": ""}, 1),
            # Within the pod, and outward: neither is a caller.
            rising({"__name__": "tcp_open_total", **inbound, **plain, "no_tls_reason": "loopback"}, 9),
            rising({"__name__": "tcp_open_total", **inbound, **plain, "peer": "dst"}, 9),
            authz("inbound_http_authz_allow_total", 30),
            authz("inbound_http_authz_deny_total", 10),
            authz("inbound_tcp_authz_deny_total", 2, client_id="", tls="no_identity"),
        ],
    )
    edges = result.tables["edges"]
    tcp_edges = edges[edges["unit"] == "connections"]
    assert tcp_edges[["mtls", "plaintext", "unverified"]].sum().tolist() == [240, 120, 60]
    strict = result.tables["strict"]
    assert strict[["destination_workload", "unit", "port"]].to_numpy().tolist() == [
        ["catalog-v1", "connections", "8080"]
    ]
    assert "ports are not exported" not in finding(result, "ML-SEC-003").statement
    denied = result.tables["denials"].set_index("unit")
    assert denied.loc["requests", ["source", "by", "denied", "total"]].tolist() == ["storefront", "mesh", 600, 2400]
    assert denied.loc["connections", ["source", "by", "denied", "total"]].tolist() == ["", "mesh", 120, 120]


def test_linkerds_callers_are_told_once_by_their_identity() -> None:
    result = judged(linkerd())
    edges = result.tables["edges"]
    # Both sides report: 42 a scrape, and not 84.
    assert edges["mtls"].sum() == 42 * 60
    assert set(edges["source"]) == {"storefront"}
    assert finding(result, "ML-SEC-001").verdict is Verdict.PASS


def test_linkerds_callers_alone_know_how_they_spoke() -> None:
    outbound = [one for one in linkerd() if one[0].get("direction") == "outbound"]
    plain = [({**who, "tls": "no_identity", "server_id": ""}, at, value) for who, at, value in outbound]
    assert set(judged(outbound).tables["edges"]["state"]) == {"mtls"}
    assert set(judged(plain).tables["edges"]["state"]) == {"plaintext"}


def test_an_external_authorizer_is_apart_from_policies() -> None:
    result = judged(
        [
            rising(http(), 10),
            rising({**http(), "response_code": "403", "response_flags": "UAEX"}, 2),
            rising({**http(), "response_code": "403"}, 1),
            rising({**http(), "request_protocol": "grpc", "grpc_response_status": "7"}, 3),
        ]
    )
    table = result.tables["denials"]
    told = {(row.by, row.protocol): (row.denied, row.total) for row in table.itertuples()}
    assert told == {("ext_authz", "http"): (120, 780), ("policy", "http"): (60, 780), ("policy", "grpc"): (180, 180)}
    assert [f.code for f in result.findings if f.code in ("ML-SEC-007", "ML-SEC-008")].count("ML-SEC-008") == 1


def test_a_mesh_that_is_only_entered_says_so() -> None:
    door = {"destination_workload": "istio-ingressgateway", "source_workload": "unknown", "source_principal": "unknown"}
    one = finding(judged([rising({**http(**door), "connection_security_policy": "none"}, 2)]), "ML-SEC-001")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert one.key == "security.encryption.only_ingress"


def citadel(name: str, step: float, **more: str) -> Series:
    return rising({"__name__": f"citadel_server_{name}", "pod": "istiod-0", "namespace": "istio-system", **more}, step)


def test_what_the_authority_signed_and_why_not() -> None:
    fine = [rising(http(), 10), citadel("csr_count", 5), citadel("success_cert_issuance_count", 5)]
    good = finding(judged(fine), "ML-SEC-020")
    assert (good.verdict, good.value) == (Verdict.PASS, 0)
    assert "300 signing requests, 300 certificates issued" in good.statement
    bad = finding(
        judged([*fine, citadel("csr_sign_err_count", 1, error="CSR_ERROR"), citadel("csr_parsing_err_count", 0)]),
        "ML-SEC-020",
    )
    assert (bad.verdict, bad.value) == (Verdict.WARN, 60)
    assert "60 of CSR_ERROR" in bad.statement
    assert finding(judged([rising(http(), 10)]), "ML-SEC-020").word == "NOT_MEASURED"


def test_linkerds_refreshes_count_as_signed() -> None:
    proxy = {"__name__": "control_identity_cert_refreshes_total", "pod": "web-0", "namespace": "shop"}
    result = judged(linkerd(), [rising({**proxy, "result": "ok"}, 2), rising({**proxy, "result": "error"}, 1)])
    one = finding(result, "ML-SEC-020")
    assert (one.verdict, one.value) == (Verdict.WARN, 60)
    assert "120 certificates issued" in one.statement


def test_root_and_intermediate_are_apart() -> None:
    root = {"__name__": "citadel_server_root_cert_expiry_timestamp", "pod": "istiod-0", "namespace": "istio-system"}
    chain = {**root, "__name__": "citadel_server_cert_chain_expiry_timestamp"}
    result = judged(
        [
            rising(http(), 10),
            (root, times(), np.full(61, START + 86_400.0 * 3650)),
            (chain, times(), np.full(61, START - 86_400.0)),
        ]
    )
    told = {f.subject: f.verdict for f in result.findings if f.code == "ML-SEC-006"}
    assert told == {"mesh, root": Verdict.PASS, "mesh, intermediate": Verdict.WARN}
    # An authority is no workload: nobody's leaf was seen.
    assert set(result.tables["certificates"]["kind"]) == {"root", "intermediate"}


@pytest.mark.parametrize(
    ("cipher", "verdict"),
    [
        ("TLS_AES_128_GCM_SHA256", Verdict.PASS),
        ("ECDHE-RSA-AES256-GCM-SHA384", Verdict.PASS),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", Verdict.PASS),
        ("AES128-GCM-SHA256", Verdict.WARN),
        ("ECDHE-RSA-AES128-SHA", Verdict.WARN),
        ("DES-CBC3-SHA", Verdict.WARN),
    ],
)
def test_ciphers_and_versions_are_told_where_they_are_exported(cipher: str, verdict: Verdict) -> None:
    pod = {"pod": "web-0", "namespace": "shop", "envoy_listener_address": "inbound"}
    result = judged(
        [
            rising(http(), 10),
            rising({"__name__": "envoy_listener_ssl_ciphers", **pod, "envoy_ssl_cipher": cipher}, 1),
            rising({"__name__": "envoy_listener_ssl_versions", **pod, "envoy_ssl_version": "TLSv1.2"}, 1),
        ]
    )
    assert finding(result, "ML-SEC-021").verdict is verdict
    assert finding(result, "ML-SEC-013").verdict is Verdict.PASS
    bare = judged([rising(http(), 10)])
    assert finding(bare, "ML-SEC-021").word == finding(bare, "ML-SEC-013").word == "NOT_MEASURED"
    # The verdict stands without them.
    assert bare.verdict is Verdict.PASS


def named(source: str, principal: str, **more: str) -> dict[str, str]:
    return http(source_workload=source, source_principal=principal, **more)


@pytest.mark.parametrize(
    ("callers", "said"),
    [
        ((("web", SA + "one"), ("cron", SA + "one")), "1 shared by"),
        ((("web", SA + "default"),), "1 default service"),
        ((("web", SA + "web"), ("far", "spiffe://other.org/ns/shop/sa/far")), "cluster.local, other.org"),
        ((("web", "spiffe://cluster.local/ns/bank/sa/web"),), "1 used from another namespace"),
    ],
)
def test_accounts_that_are_shared_default_of_other_domains_or_namespaces(
    callers: tuple[tuple[str, str], ...], said: str
) -> None:
    one = finding(judged([rising(named(*caller), 5) for caller in callers]), "ML-SEC-010")
    assert one.verdict is Verdict.WARN
    assert said in one.statement


def test_versions_of_one_workload_may_share_an_account() -> None:
    result = judged([rising(named(f"web-{v}", SA + "web"), 5) for v in ("v1", "v2")])
    assert finding(result, "ML-SEC-010").verdict is Verdict.PASS


@pytest.mark.parametrize("host", ["PassthroughCluster", "BlackHoleCluster"])
def test_what_leaves_for_hosts_that_nobody_knows_is_exposure(host: str) -> None:
    out = {
        "reporter": "source",
        "destination_workload": "unknown",
        "destination_workload_namespace": "unknown",
        "destination_canonical_service": "unknown",
        "destination_principal": "unknown",
        "destination_service": host,
        "connection_security_policy": "unknown",
    }
    result = judged([rising(http(), 10), rising({**http(), **out}, 2)])
    kind = "passthrough" if host.startswith("Pass") else "blackhole"
    told = result.tables["exposure"][["kind", "workload", "unit", "count"]].to_numpy().tolist()
    assert told == [[kind, "web", "requests", 120]]
    assert finding(result, "ML-SEC-012").verdict is Verdict.WARN
    assert result.tables["reach"]["observed"].tolist() == [1]


def test_what_comes_in_at_an_ingress_is_exposure_and_no_plain_edge() -> None:
    door = {"destination_workload": "istio-ingressgateway", "source_workload": "unknown", "source_principal": "unknown"}
    result = judged([rising(http(), 10), rising({**http(**door), "connection_security_policy": "none"}, 2)])
    assert result.tables["exposure"]["kind"].tolist() == ["ingress"]
    assert result.tables["strict"].empty
    assert finding(result, "ML-SEC-012").verdict is Verdict.PASS
    assert finding(result, "ML-SEC-001").verdict is Verdict.PASS


ISTIO_OWN = (
    {"__name__": "citadel_server_csr_count"},
    {"__name__": "citadel_server_cert_chain_expiry_timestamp"},
    {"__name__": "istio_agent_cert_expiry_seconds", "resource_name": "default"},
    {"__name__": "envoy_listener_ssl_certificate_expiration_unix_time_seconds", "envoy_tls_certificate": "default"},
    {"__name__": "envoy_listener_ssl_versions", "envoy_ssl_version": "TLSv1.3"},
    {"__name__": "envoy_listener_ssl_ciphers", "envoy_ssl_cipher": "TLS_AES_128_GCM_SHA256"},
    {"__name__": "envoy_sds_key_rotation_failed", "envoy_xds_resource_name": "default"},
    {"__name__": "envoy_http_rbac_denied"},
    {"__name__": "envoy_http_inbound_0_0_0_0_80_rbac", "authz_dry_run_result": "denied"},
    tcp(),
    tcp("istio_tcp_connections_failed_total", response_flags="DENY"),
    tcp("istio_tcp_sent_bytes_total"),
)
LINKERD_OWN = (
    {"__name__": "identity_cert_expiration_timestamp_seconds"},
    {"__name__": "control_identity_cert_expiration_timestamp_seconds"},
    {"__name__": "control_identity_cert_refreshes_total", "result": "ok"},
    {"__name__": "tcp_open_total", "direction": "inbound", "peer": "src", "deployment": "web"},
    {"__name__": "inbound_http_authz_deny_total", "deployment": "web"},
    {"__name__": "inbound_tcp_authz_allow_total", "deployment": "web"},
)


@pytest.mark.parametrize(
    ("requests", "own"),
    [([rising(http(), 10)], ISTIO_OWN), (list(linkerd()), LINKERD_OWN)],
    ids=["istio", "linkerd"],
)
def test_a_recording_keeps_what_the_question_reads(requests: list[Series], own: tuple[dict[str, str], ...]) -> None:
    pod = {"pod": "web-0", "namespace": "shop"}
    store = engine(requests, [rising({**pod, **who}, 5) for who in own])
    mesh = Mesh.detect(store, "a test")
    kept = {name for one in mesh.recorded for name in store.series(one, mesh.window()).labels["__name__"]}
    assert kept >= {who["__name__"] for who in own}
    # And it reads all of them: none of these series is there for nothing.
    evidence = Security().collect(mesh, mesh.window())
    read = ["connections", "bytes", "refused", "certificates", "rejections", "signing", "rbac", "versions", "ciphers"]
    wanted = read if own is ISTIO_OWN else ["connections", "refused", "certificates", "signing"]
    assert [name for name in wanted if (evidence.counts | evidence.frames)[name].empty] == []
