"""Which answers are no goodput, and which requests were lost on the way."""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.telemetry.outcomes import Arrived, Fault, flagged, is_error, outcome, retried, unanswered, where

__all__ = ["failed", "lost"]

_SHED: Final = ("RL", "RLSE", "OM", "DO", "UDO")
"""Flags of what was refused on purpose, and was not meant to arrive."""


def failed(labels: pd.DataFrame, error_codes: str) -> pd.Series[bool]:
    """Which requests or attempts failed: an error, no answer at all, or what the mesh tries again by itself.

    A caller that hangs up is no error of the service's, and yet it got nothing: a try that timed out looks like that.

    Parameters
    ----------
    labels : DataFrame
        With ``code``, ``grpc_status`` and ``flags``.
    error_codes : str
        What counts as an error.
    """
    return is_error(labels, error_codes) | unanswered(labels) | retried(labels)


def lost(labels: pd.DataFrame) -> pd.Series[bool]:
    """Which requests reached no server though they ought to: no healthy host, no connection, no route.

    Parameters
    ----------
    labels : DataFrame
        As in `failed`.
    """
    own = (Fault.SERVER, Fault.MESH)
    gone = where(labels, lambda *each: (found := outcome(*each)).arrived is Arrived.NO and found.fault in own)
    return gone & ~flagged(labels, *_SHED)
