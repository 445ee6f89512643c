"""A small look at a few of the largest counters, before an engine sums them all by an expression."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry.dialects import replicas
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.fallen_sums import fallen_sums
from meshlab.telemetry.scraped_twice import Scrapers, scrapers

__all__ = ["Look", "look"]


@dataclass(frozen=True, slots=True)
class Look:
    """What an expression over some counters must heed.

    Parameters
    ----------
    scrapers : Scrapers
        What scrapes the same counters twice; the expression leaves these labels out.
    infos : tuple of str
        What is to be said of its answer.
    """

    scrapers: Scrapers
    infos: tuple[str, ...] = ()


def look(engine: Engine, metric: str, selected: str, span: Span, dialect: Dialect, source: str) -> Look:
    """Look at the largest of some counters.

    Parameters
    ----------
    engine : Engine
    metric, selected : str
        The counters' name, and their selector.
    span : Span
    dialect : Dialect
    source : str
        What the user called the store, for messages.

    Raises
    ------
    ParameterError
        There are replicas, and the options do not name their label; or some counters are scraped twice, and an
        expression cannot count them once.
    """
    labels, forced = replicas.largest(engine, selected, span), dialect.options.forced
    if not dialect.options.replica_label:
        if label := replicas.detect_replicas(engine, labels, span, dialect.owns, forced):
            raise replicas.duplicated(source, label)
    else:
        labels = labels.drop(columns=dialect.options.replica_label, errors="ignore").drop_duplicates(ignore_index=True)
    twice = scrapers(engine, labels, span, dialect.owns, forced)
    fallen = fallen_sums(engine, labels, metric, selected, span, forced)
    return Look(twice, tuple(text for text in (twice.text if twice.jobs else "", fallen) if text))
