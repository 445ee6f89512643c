"""What the retry question asks the mesh: once, for every edge."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence, Missing
from meshlab.core.window import Window
from meshlab.questions.retries.cube import EDGE, wide
from meshlab.questions.retries.scope import Scope
from meshlab.questions.retries.settings import Policy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Answer, Mesh

__all__ = ["LASTING", "WORDS", "Grid", "collect"]

WORDS: Final = (
    "source_namespace",
    "source",
    "destination_namespace",
    "destination_service",
    "destination_host",
    "destination_workload",
    "code",
    "grpc_status",
    "flags",
)
"""The words by which requests are counted."""

LASTING: Final = ("destination_namespace", "destination_service", "code")
"""The words by which durations are added up."""

_LEAST_BLOCK_MS: Final = 10_000
_MOST_BLOCKS: Final = 720


@dataclass(frozen=True, slots=True)
class Grid:
    """How time is cut, and what the callers' counters count.

    Parameters
    ----------
    block_ms : int
        Length of a block, milliseconds.
    counts_attempts : bool
        Whether the callers count each attempt, and not each request once.
    """

    block_ms: int
    counts_attempts: bool = False


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask for requests at both ends of every edge, and for what the callers' proxies say of their own retries.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    scope : Scope, optional
        Names the service whose edges are judged; its name is looked up, all edges are asked for.
    policy : Policy, optional
        Sets the length of the blocks.

    Returns
    -------
    Evidence
        ``callers`` and ``called`` (`Mesh.request_counts` by `WORDS`), ``proxies`` (`Mesh.retry_counts`) and ``lasting``
        (`Mesh.durations` at the called side, by `LASTING`), each with a column for every block (`cube.wide`), and
        ``breakers`` (`Mesh.breaker_gauges`). Required: ``callers``, and one of ``called`` and ``proxies``. ``chosen``
        is the `Grid`.

    Raises
    ------
    ParameterError
        The service was never seen in this store, or the name is ambiguous.
    """
    policy = policy or Policy()
    subject = mesh.find(scope.service, window, scope.namespace) if scope and scope.service else None
    block_ms = 1000 * policy.block_s or _block_ms(mesh.scrape_ms(window), window)
    answers: dict[str, Answer | Counts] = {
        "callers": mesh.request_counts(window, WORDS, reporter=Reporter.SOURCE, block_ms=block_ms),
        "called": mesh.request_counts(window, WORDS, reporter=Reporter.DESTINATION, block_ms=block_ms),
        "proxies": mesh.retry_counts(window, block_ms=block_ms),
        "breakers": mesh.breaker_gauges(window, block_ms=block_ms),
        "lasting": mesh.durations(window, LASTING, reporter=Reporter.DESTINATION, block_ms=block_ms),
    }
    blocks = (window.end_ms - window.start_ms) // block_ms
    own = mesh.remedy("retries")
    lacking = {
        "callers": Missing("requests as the callers' proxies count them", mesh.remedy("source")),
        "called": Missing("requests as the called services' proxies count them", mesh.remedy("destination")),
        "proxies": Missing("the proxies' own retry counters", own),
        "breakers": Missing("the proxies' circuit breakers and ejections", own),
        "lasting": Missing("how long attempts lasted at the called side", mesh.remedy("destination")),
    }
    return Evidence(
        frames=MappingProxyType({name: _shaped(name, answer.frame, blocks) for name, answer in answers.items()}),
        window=window,
        subjects=(subject,) if subject else (),
        source=f"{mesh.source} ({mesh.name})",
        queries=MappingProxyType({name: answer.query for name, answer in answers.items()}),
        missing=MappingProxyType({n: m for n, m in lacking.items() if answers[n].frame.empty}),
        chosen=Grid(block_ms, counts_attempts=mesh.counts_attempts),
    )


def _block_ms(scrape_ms: int, window: Window) -> int:
    """Two scrapes, so that no block is empty by chance; whole seconds."""
    span = window.end_ms - window.start_ms
    least = max(_LEAST_BLOCK_MS, 2 * scrape_ms, span // _MOST_BLOCKS)
    return 1000 * -(-least // 1000)


def _shaped(name: str, frame: pd.DataFrame, blocks: int) -> pd.DataFrame:
    if name == "breakers":
        return frame
    words, value = {"proxies": ((*EDGE, "metric"), "value"), "lasting": (LASTING, "sum_ms")}.get(name, (WORDS, "count"))
    return wide(frame, words, value, blocks)
