"""Where a person looks at a query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from meshlab.config import Kind
from meshlab.core.series import Query
from meshlab.core.times import format_duration

__all__ = ["link"]

_AROUND_MS: Final = 3_600_000
"""What is shown around one instant."""


def link(ui_url: str, query: Query, kind: Kind | None = None) -> str:
    """The address of a query's graph.

    Parameters
    ----------
    ui_url : str
        The address of a Prometheus or VictoriaMetrics, or one with ``{query}``, ``{start_ms}`` or ``{end_ms}`` in it.
    query : Query
        Of a window, or of an instant.
    kind : Kind, optional
        VictoriaMetrics has a page of its own.

    Returns
    -------
    str
        Empty where there is no address.
    """
    if not ui_url:
        return ""
    if query.window is not None:
        start_ms, end_ms = query.window.start_ms, query.window.end_ms
    else:
        end_ms = query.at_ms or 0
        start_ms = end_ms - _AROUND_MS
    if "{" in ui_url:
        parts = {"{query}": quote(query.promql, safe=""), "{start_ms}": str(start_ms), "{end_ms}": str(end_ms)}
        for name, value in parts.items():
            ui_url = ui_url.replace(name, value)
        return ui_url
    page = "/vmui/#/?" if kind is Kind.VICTORIAMETRICS else "/graph?"
    fields = {"g0.expr": query.promql, "g0.tab": "0", "g0.range_input": format_duration(end_ms - start_ms)}
    if end_ms:
        fields["g0.end_input"] = f"{datetime.fromtimestamp(end_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    return f"{ui_url.rstrip('/')}{page}{urlencode(fields)}"
