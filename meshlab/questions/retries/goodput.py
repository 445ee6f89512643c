"""Which answers are no goodput."""

from __future__ import annotations

import pandas as pd

from meshlab.telemetry.outcomes import is_error, retried, unanswered

__all__ = ["failed"]


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
