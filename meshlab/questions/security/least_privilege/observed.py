"""Who called whom: the servers' own reports, for only they know under which identity a request came."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import Counts
from meshlab.core.window import Window
from meshlab.questions.security.least_privilege.names import bare
from meshlab.telemetry.dialects.base import ABSENT, Reporter
from meshlab.telemetry.mesh import Mesh

__all__ = ["TARGET", "WORDS", "between", "collect", "edges", "ends_ms", "is_denied"]

TARGET: Final = ("destination_namespace", "destination_workload")
"""The words that name what a policy protects."""

WORDS: Final = (
    "source",
    "source_namespace",
    "source_principal",
    *TARGET,
    "destination_service",
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""The words that a proposal is made of."""

_NO_TLS: Final = frozenset({"none", "plaintext", "disabled", "no_identity"})
_FORBIDDEN: Final = "403"
_PERMISSION_DENIED: Final = "7"


def collect(mesh: Mesh, window: Window, *, block_ms: int = 60_000) -> Counts:
    """Ask for all requests as the servers saw them.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    block_ms : int
        Length of a block; first and last seen are as exact as this.
    """
    return mesh.request_counts(window, WORDS, reporter=Reporter.DESTINATION, block_ms=block_ms)


def ends_ms(counts: Counts) -> NDArray[np.int64]:
    """Ends of the blocks in which anything was scraped, unix milliseconds, ascending."""
    return counts.grid.start_ms + (np.unique(counts.block).astype(np.int64) + 1) * counts.grid.block_ms


def between(counts: Counts, after_ms: int | None = None, until_ms: int | None = None) -> pd.DataFrame:
    """Combinations of labels that had requests in blocks that end after one moment, and not after another.

    Returns
    -------
    DataFrame
        `WORDS`, ``count``, ``first`` and ``last``.
    """
    end = counts.grid.start_ms + (counts.block.astype(np.int64) + 1) * counts.grid.block_ms
    keep = counts.value > 0
    keep &= (end > (after_ms or 0)) & (end <= (np.iinfo(np.int64).max if until_ms is None else until_ms))
    return counts.cells_where(keep).totals()


def edges(rows: pd.DataFrame) -> pd.DataFrame:
    """What a proposal needs to know of each combination of labels that had requests, as `between` has them.

    ``principal`` is without its scheme, and empty where the server knew none; ``denied`` is bool.

    Notes
    -----
    A caller that spoke plaintext has no identity, whatever its labels claim: they come from headers it sent itself.
    A 403 may be the application's own answer. It is taken for a denial, since the cautious error is one rule too few:
    a caller that also got other answers keeps its rule.
    """
    given = rows["source_principal"].astype(str)
    said = rows.reindex(columns=["tls", "code", "grpc_status"], fill_value="").astype(str)
    principal = given.map(bare).where(~given.isin(ABSENT) & ~said["tls"].isin(_NO_TLS), "")
    return rows.assign(principal=principal.to_numpy(dtype=object), denied=is_denied(said))


def is_denied(labels: pd.DataFrame) -> pd.Series[bool]:
    """Whether requests were answered with 403, or with gRPC's PERMISSION_DENIED."""
    return labels["code"].eq(_FORBIDDEN) | labels["grpc_status"].eq(_PERMISSION_DENIED)
