"""Whose certificate is renewed and when, and what the control plane says of sidecars that do not follow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from meshlab.errors import LabError
from meshlab.lab.addresses import AddressBlock
from meshlab.lab.client import Client
from meshlab.lab.control_plane import ControlPlane
from meshlab.lab.scenario import Scenario
from meshlab.lab.topology import Replica, Topology, places

START_S = 1_800_000_000.0


class Kept(Client):
    """Keeps what would be sent, and answers what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, Any] = {}
        self.states: dict[str, Any] = {}

    def put(self, url: str, body: Any) -> dict[str, Any]:
        self.sent.update(body)
        return {}

    def json(self, url: str, **parameters: str) -> dict[str, Any]:
        return self.states


@pytest.fixture
def lab() -> Iterator[tuple[Scenario, Kept, ControlPlane, tuple[Replica, ...]]]:
    scenario = Scenario.named("cert-rotation")
    block = AddressBlock.reserve(len(places(scenario)))
    topology = Topology.place(scenario, block)
    client = Kept()
    yield scenario, client, ControlPlane(client, "http://x", topology, START_S), topology.replicas
    client.close()
    block.close()


def end_s(client: Kept, pod: str) -> float:
    (text,) = [s["tls_certificate"] for s in client.sent[pod]["secrets"] if "tls_certificate" in s]
    found = x509.load_pem_x509_certificate(text["certificate_chain"]["inline_string"].encode())
    return found.not_valid_after_utc.timestamp()


def test_certificates_are_renewed_after_half_their_life_but_for_who_stopped(
    lab: tuple[Scenario, Kept, ControlPlane, tuple[Replica, ...]],
) -> None:
    scenario, client, plane, replicas = lab
    plane.apply(scenario, replicas, replicas, START_S)
    assert end_s(client, "cart-0") == START_S + 120
    assert datetime.fromtimestamp(end_s(client, "ledger-0"), UTC).year == 2027
    assert not plane.due(scenario, START_S + 59)
    assert plane.due(scenario, START_S + 60)
    stopped = scenario.at(90)
    plane.apply(stopped, replicas, replicas, START_S + 60)
    assert end_s(client, "ledger-0") == START_S + 180
    assert end_s(client, "cart-0") == START_S + 120
    assert not plane.due(stopped, START_S + 61)


def test_without_rotation_nothing_is_ever_due(lab: tuple[Scenario, Kept, ControlPlane, tuple[Replica, ...]]) -> None:
    _, _, plane, replicas = lab
    still = Scenario.named("cert-rotation", ["security.certificates.rotate_after=0"])
    plane.apply(still, replicas, replicas, START_S)
    assert not plane.due(still, START_S + 1e6)


def test_who_is_behind_is_named_and_who_refuses_is_an_error(
    lab: tuple[Scenario, Kept, ControlPlane, tuple[Replica, ...]],
) -> None:
    scenario, client, plane, replicas = lab
    plane.apply(scenario, replicas, replicas, START_S)
    client.states = {"cart-0": {"routes": "waiting", "clusters": "taken"}, "ledger-0": {"routes": "taken"}}
    assert plane.pending() == "new configuration is under way to cart-0"
    client.states["ledger-0"]["routes"] = "taken"
    client.states["cart-0"]["routes"] = "refused"
    with pytest.raises(LabError, match="sidecar of cart-0 refuses its routes: no such cluster"):
        plane.pending({"cart-0": "no such cluster"})
    plane.forget("cart-0")
    assert plane.pending() == ""


def test_replicas_without_a_sidecar_are_told_nothing_and_get_nothing() -> None:
    scenario = Scenario.named("mtls-migration")
    block = AddressBlock.reserve(len(places(scenario)))
    client = Kept()
    try:
        topology = Topology.place(scenario, block)
        plane = ControlPlane(client, "http://x", topology, START_S)
        plane.apply(scenario, topology.replicas, topology.replicas, START_S)
    finally:
        client.close()
        block.close()
    assert "legacy-0" not in client.sent
    assert "batch-0" in client.sent
