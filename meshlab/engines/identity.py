"""What a server is: its kind and version, asked for once."""

from __future__ import annotations

from typing import Final

from meshlab.config import Kind
from meshlab.engines import backends
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.engines.transport import Form, Transport
from meshlab.errors import EngineError, Unreachable

__all__ = ["Identity"]

_METRICSQL_PROBE: Final = "now()"


class Identity:
    """Kind and version of a server.

    A store that only speaks PromQL tells neither, and is no worse for it.

    Parameters
    ----------
    transport : Transport
    kind : Kind or None
        As the profile says; found out when None.
    """

    def __init__(self, transport: Transport, kind: Kind | None) -> None:
        self._transport, self.kind = transport, kind
        self._version, self._asked = "", False

    @property
    def name(self) -> str:
        """Kind and version, as far as they are known."""
        return f"{backends.NAMES[self.kind] if self.kind else 'Prometheus API'} {self._version}".rstrip()

    def find(self) -> None:
        """Ask the server once.

        Raises
        ------
        Unreachable
            Nothing answers: no question would be answered either.
        """
        if self._asked:
            return
        self._asked = True
        try:
            build = self._data("/api/v1/status/buildinfo", {}, "GET", patient=True)
        except Unreachable:
            self._asked = False
            if not self._transport.reached:
                raise
            # The question itself shows how long one waits for a busy server, and what the message is then.
            return
        except EngineError:
            return
        kind, version = backends.introduced(build, self._speaks_metricsql)
        self._version = self._transport.hide(version)
        self.kind = self.kind or kind

    def status(self, path: str) -> dict[str, object]:
        """What a server reports at a path such as ``/api/v1/status/runtimeinfo``; nothing where it has none.

        Raises
        ------
        Unreachable
            Nobody answers.
        """
        try:
            return self._data(path, {}, "GET")
        except Unreachable:
            raise
        except EngineError:
            return {}

    def _speaks_metricsql(self) -> bool:
        try:
            self._data("/api/v1/query", {"query": _METRICSQL_PROBE}, "POST")
        except EngineError:
            return False
        return True

    def _data(self, path: str, form: Form, method: str, *, patient: bool = False) -> dict[str, object]:
        body = self._transport.ask(path, form, method=method, patient=patient, when_busy=False)
        return open_envelope(body, Envelope[dict[str, object]], self._transport.url)[0]
