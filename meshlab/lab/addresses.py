"""A block of loopback addresses which one lab holds alone."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterable
from typing import Final

from meshlab.errors import LabError

__all__ = [
    "ADMIN_PORT",
    "APP_PORT",
    "CADVISOR_PORT",
    "INBOUND_PORT",
    "KUBE_STATE_PORT",
    "OUTBOUND_PORT",
    "AddressBlock",
]

INBOUND_PORT: Final = 30006
OUTBOUND_PORT: Final = 30001
ADMIN_PORT: Final = 30090
APP_PORT: Final = 30080
KUBE_STATE_PORT: Final = 30081
CADVISOR_PORT: Final = 30083

# All of them lie under Linux's usual range of ephemeral ports (from 32768), so no client socket can take one.
_WORKLOAD_PORTS: Final = (INBOUND_PORT, OUTBOUND_PORT, ADMIN_PORT, APP_PORT)
_LOCK_PORT: Final = 30099
_PROMETHEUS_PORTS: Final = range(9090, 9190)
_FIRST_WORKLOAD: Final = 11
_BLOCKS: Final = tuple(f"127.71.{number}" for number in range(256))


class AddressBlock:
    """127.71.N.0/24, held for this process as long as the block is open.

    A bound socket is the lock: it needs no file, and the kernel frees it however the process ends.

    Attributes
    ----------
    prefix : str
        The first three numbers, ``127.71.0``.
    prometheus : tuple of (str, int)
        Address and free port for Prometheus.
    load, control_plane, kube : str
        Addresses of the load generator, the control plane and its emulated exporters.
    """

    def __init__(self, prefix: str, lock: socket.socket, prometheus_port: int) -> None:
        self.prefix = prefix
        self.prometheus = (f"{prefix}.1", prometheus_port)
        self.load = f"{prefix}.2"
        self.control_plane = f"{prefix}.3"
        self.kube = f"{prefix}.4"
        self._lock = lock

    @classmethod
    def reserve(cls, workloads: int) -> AddressBlock:
        """Take the first block in which every port that a lab needs is free.

        Parameters
        ----------
        workloads : int
            How many workloads there will be, one address each.

        Raises
        ------
        LabError
            No block is free, or this machine cannot bind other loopback addresses than 127.0.0.1.
        """
        if workloads > 255 - _FIRST_WORKLOAD:
            raise LabError(f"{workloads} workloads are too many", f"the lab takes up to {255 - _FIRST_WORKLOAD}")
        reason = ""
        for prefix in _BLOCKS:
            lock = socket.socket()
            try:
                # Without SO_REUSEADDR on purpose: with it two labs could both bind a socket that never listens.
                lock.bind((f"{prefix}.1", _LOCK_PORT))
                needed = [
                    (f"{prefix}.{_FIRST_WORKLOAD + n}", port) for n in range(workloads) for port in _WORKLOAD_PORTS
                ]
                others = [(f"{prefix}.{number}", APP_PORT) for number in (2, 3)]
                _probe([*needed, *others, *((f"{prefix}.4", port) for port in (KUBE_STATE_PORT, CADVISOR_PORT))])
                return cls(prefix, lock, _first_free(f"{prefix}.1"))
            except OSError as error:
                lock.close()
                if error.errno == errno.EADDRNOTAVAIL:
                    raise LabError(
                        f"this machine has no loopback address {prefix}.1",
                        "the lab needs Linux, where 127.0.0.0/8 works",
                    ) from error
                reason = str(error)
        raise LabError(
            f"no block of loopback addresses 127.71.N.0/24 is free: {reason}", "end another lab, or free the port"
        )

    def workload(self, index: int) -> str:
        """The address of the workload with this index, from 0."""
        return f"{self.prefix}.{_FIRST_WORKLOAD + index}"

    def close(self) -> None:
        """Give the block back."""
        self._lock.close()


def _probe(addresses: Iterable[tuple[str, int]]) -> None:
    """Bind each address once, all at the same time; raises OSError with the address that is taken."""
    with contextlib.ExitStack() as stack:
        for address in addresses:
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise OSError(error.errno, f"port {address[1]} is taken at {address[0]}") from error


def _first_free(host: str) -> int:
    for port in _PROMETHEUS_PORTS:
        with contextlib.suppress(OSError):
            _probe([(host, port)])
            return port
    raise OSError(
        errno.EADDRINUSE, f"all ports of {_PROMETHEUS_PORTS.start}-{_PROMETHEUS_PORTS.stop - 1} are taken at {host}"
    )
