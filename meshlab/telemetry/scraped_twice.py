"""The same counter scraped twice: by two jobs, or at two ports of one proxy. Each counter counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import group_rows
from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, equal, one_of, selector
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.replicas import between
from meshlab.telemetry.targets import NAMESPACES, PODS, SCRAPE, Owns, hosts

__all__ = ["SCRAPED_TWICE", "Scrapers", "distinct", "scrapers"]

SCRAPED_TWICE: Final = "scraped twice"
"""How the text in ``Query.infos`` begins where counters were there more than once."""

_AGREE: Final = 0.95
"""Part of the samples that must agree."""
_NEAR: Final = 0.9
"""Scrapers whose numbers of samples are as near as that are alike; the first by its labels is taken."""
_USUAL_MS: Final = 60_000
_FOLLOWED: Final = 2
_RECENT_MS: Final = 300_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = Callable[[pd.DataFrame], Ints]
"""How many scrapes are known of each of some targets (rows of labels); 0: not known."""


@dataclass(frozen=True, slots=True)
class Scrapers:
    """What scrapes the same counters more than once.

    Parameters
    ----------
    jobs : tuple of str
        Their ``job``, sorted; of one job, the addresses. Empty: nothing is scraped twice.
    label : str
        The label that these are values of.
    labels : tuple of str
        The labels without which the same counters coincide.
    """

    jobs: tuple[str, ...] = ()
    label: str = "job"
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What was done, in words."""
        return f"{SCRAPED_TWICE}: the same counters are scraped by {_listed(self.jobs)}, and each counts once"


def distinct(
    raw: SeriesSet,
    owns: Owns,
    *,
    identity: Sequence[str] = (),
    weights: Weights | None = None,
    rising: bool = True,
) -> SeriesSet:
    """Each counter once, however many scrapers there are.

    Two series are one counter where all labels but those of the scraper are equal, where they come from the same pod
    (or, where no label names one, from the same host), and where what one scrape read lies between what the other read
    just before and just after. Series that differ in anything else are other counters, and add up.

    Parameters
    ----------
    raw : SeriesSet
    owns : function of str to bool
        Whether the mesh itself sets a label.
    identity : sequence of str
        What an exporter of other things (kube-state-metrics) counts by, which may be a pod's or a container's name;
        where it runs itself does not matter. Empty: proxies count for themselves.
    weights : function, optional
        How many scrapes of a target there were: the scraper with more is taken. Not given: by the samples.
    rising : bool
        Whether these are counters; of gauges the labels alone decide.

    Returns
    -------
    SeriesSet
        ``query.infos`` says what was there twice.
    """
    groups = _candidates(raw.labels, owns, identity)
    if groups is None:
        return raw
    starts, gaps = raw.starts, np.diff(raw.time.astype(np.int64))[raw.sid[1:] == raw.sid[:-1]]
    slack = int(np.median(gaps)) if len(gaps) else _USUAL_MS
    classes = []
    for rows in groups:
        classes += [same for same in _classes(_samples(raw, rows, starts), slack, rising=rising) if len(same) > 1]
    if not classes:
        return raw
    keep = np.ones(len(raw), np.bool_)
    taken = _taken(raw, classes, owns, identity, weights)
    for members, best in zip(classes, taken, strict=True):
        keep[[row for row in members if row != best]] = False
    found = _named_scrapers(raw.labels, [row for same in classes for row in same], owns)
    return raw.only(keep).with_query(replace(raw.query, infos=(*raw.query.infos, found.text)))


def scrapers(engine: Engine, labels: pd.DataFrame, span: Span, owns: Owns, forced: Sequence[Matcher] = ()) -> Scrapers:
    """What scrapes the same counters twice, from a few of the largest; nothing as a rule.

    Asks nothing where nothing is suspicious.

    Parameters
    ----------
    engine : Engine
    labels : DataFrame
        Of `replicas.largest`.
    span : Span
        Its end is looked at.
    owns : function of str to bool
        Whether the mesh itself sets a label.
    forced : sequence of Matcher
        What must stand in every selector.

    Raises
    ------
    ParameterError
        Some counters are scraped twice, and an expression cannot count them once.
    """
    groups = _candidates(labels, owns, ())
    if groups is None:
        return Scrapers()
    last, twice, others = Span(span.end_ms - _RECENT_MS, span.end_ms), list[int](), 0
    for rows in groups[:_FOLLOWED]:
        found = engine.samples(_all_of(labels.iloc[rows], forced), last)
        classes = _classes(_samples(found, range(len(found)), found.starts), _USUAL_MS, rising=True)
        twice += rows if any(len(members) > 1 for members in classes) else []
        others += len(classes) > 1
    if not twice:
        return Scrapers()
    result = _named_scrapers(labels, twice, owns, groups)
    kept = [name for name in PODS if name in labels and name not in result.labels]
    if others or not any((labels[name] != "").all() for name in kept):
        raise ParameterError(
            f"the same counters are scraped by {_listed(result.jobs)}: each would count the same requests again",
            f"""write match = ['{result.label}="{plain(result.jobs[0])}"'] into the profile in meshlab.toml""",
        )
    return result


def _candidates(labels: pd.DataFrame, owns: Owns, identity: Sequence[str]) -> list[list[int]] | None:
    """Rows that differ in nothing but who scraped them; None as a rule."""
    own = {str(name) for name in labels.columns if owns(str(name)) or name in identity}
    scrape = [str(name) for name in labels.columns if name in SCRAPE and name not in own]
    if len(labels) < 2 or not any(labels[name].nunique() > 1 for name in scrape):
        return None
    named = [str(name) for name in labels.columns if name in (*PODS, *NAMESPACES) and name not in own]
    rest = [str(n) for n in labels.columns if str(n) not in {*scrape, *named}]
    sometimes = [name for name in rest if name not in own and _set_by_some_jobs(labels, name)]
    keys = pd.concat([labels[[n for n in rest if n not in sometimes]], _place(labels, named, identity)], axis=1)
    twice = keys.duplicated(keep=False)
    if not twice.any():
        return None
    alike = np.flatnonzero(twice)
    number = group_rows(keys.iloc[alike])[0]
    order = np.argsort(number, kind="stable")
    groups = [part.tolist() for part in np.split(alike[order], np.flatnonzero(np.diff(number[order])) + 1)]
    if sometimes:
        groups = [rows for group in groups for rows in _agreeing(labels[sometimes].iloc[group], group)]
    return [rows for rows in groups if len(rows) > 1] or None


def _place(labels: pd.DataFrame, named: Sequence[str], identity: Sequence[str]) -> pd.DataFrame:
    """Pod (or host) and namespace of each row, whatever the labels are called; what is the mesh's own is left out.

    An exporter of other things (`identity`) says the same from wherever it runs.
    """
    if identity:
        return pd.DataFrame(index=labels.index)
    namespace = pd.Series("", labels.index, dtype=str)
    for name in NAMESPACES:
        if name in named:
            namespace = namespace.where(namespace != "", labels[name].astype(str))
    own_pods = [name for name in PODS if name in labels and name not in named]
    return pd.DataFrame({"\0host": hosts(labels.drop(columns=own_pods)), "\0namespace": namespace})


def _set_by_some_jobs(labels: pd.DataFrame, name: str) -> bool:
    """Whether some jobs never set a label that others set: a job may copy a pod's labels, and another may not."""
    if "job" not in labels:
        return False
    there = (labels[name] != "").groupby(labels["job"]).any()
    return bool(there.any() and not there.all())


def _agreeing(labels: pd.DataFrame, rows: list[int]) -> list[list[int]]:
    """Rows in groups that contradict each other in no label that both carry."""
    groups: list[tuple[dict[str, str], list[int]]] = []
    for row, values in zip(rows, labels.to_dict("records"), strict=True):
        own = {str(name): str(value) for name, value in values.items() if value != ""}
        for held, members in groups:
            if all(held.get(name, value) == value for name, value in own.items()):
                held.update(own)
                members.append(row)
                break
        else:
            groups.append((own, [row]))
    return [members for _, members in groups]


def _samples(raw: SeriesSet, rows: Iterable[int], starts: Ints) -> dict[int, tuple[Ints, Floats]]:
    """Times (milliseconds) and values of some series; those without any are left out."""
    time = raw.time.astype("datetime64[ms]", copy=False).view(np.int64)
    cuts = [(row, slice(int(starts[row]), int(starts[row + 1]))) for row in rows]
    return {row: (time[cut], raw.value[cut]) for row, cut in cuts if cut.start < cut.stop}


def _classes(samples: dict[int, tuple[Ints, Floats]], slack: int, *, rising: bool) -> list[list[int]]:
    """Series in classes: those of one are the same counter."""
    classes: list[list[int]] = []
    for row in sorted(samples, key=lambda row: (-len(samples[row][0]), row)):
        for members in classes:
            if _same(*samples[members[0]], *samples[row], slack, rising=rising):
                members.append(row)
                break
        else:
            classes.append([row])
    return classes


def _same(t: Ints, v: Floats, u: Ints, w: Floats, slack: int, *, rising: bool) -> bool:
    """Whether two series overlap in time and nothing that one read contradicts the other."""
    if max(t[0], u[0]) > min(t[-1], u[-1]) + slack:
        return False
    if not rising:
        return True
    agree = np.concatenate([between(t, v, u, w), between(u, w, t, v)])
    # A restart between the two scrapes is seen by one of them first.
    falls = int((v[1:] < v[:-1]).sum() + (w[1:] < w[:-1]).sum())
    return int((~agree).sum()) <= max((1 - _AGREE) * len(agree), 2 * falls)


def _taken(
    raw: SeriesSet,
    classes: Sequence[Sequence[int]],
    owns: Owns,
    identity: Sequence[str],
    weights: Weights | None,
) -> Iterator[int]:
    """The series of each class that counts: of the scraper that scraped its target more often.

    All series of a target come from one scraper, whatever was selected: its counters and buckets were read at the same
    moments.
    """
    rows = np.array([row for same in classes for row in same])
    labels = raw.labels.iloc[rows]
    scrape = [str(c) for c in labels.columns if c in SCRAPE and not owns(str(c)) and c not in identity]
    named = [str(c) for c in labels.columns if c in (*PODS, *NAMESPACES) and not owns(str(c)) and c not in identity]
    place, who = group_rows(_place(labels, named, identity))[0], group_rows(labels[scrape])[0]
    size = np.diff(raw.starts)[rows].astype(np.float64)
    weight = pd.Series(size).groupby([place, who]).transform("sum").to_numpy()
    scraped = weights(labels[[*scrape, *named]].reset_index(drop=True)) if weights is not None else np.zeros(0)
    known = len(scraped) > 0 and bool((scraped > 0).all())
    weight = scraped.astype(np.float64) if known else weight
    best = pd.Series(weight).groupby(place).transform("max").to_numpy()
    rank = np.where(weight >= (best if known else _NEAR * best), who, who + who.max() + 1)
    at = 0
    for same in classes:
        part = slice(at, at + len(same))
        order = np.lexsort((rows[part], -size[part], rank[part]))
        yield int(rows[part][order[0]])
        at += len(same)


def _named_scrapers(
    labels: pd.DataFrame, rows: Sequence[int], owns: Owns, groups: Sequence[Sequence[int]] = ()
) -> Scrapers:
    """The scrapers behind some rows, and the labels in which rows of a group differ."""
    mine = labels.iloc[list(rows)]
    apart = [name for name in ("job", "instance", "endpoint", "container") if name in mine and mine[name].nunique() > 1]
    label = next(iter(apart), "job")
    jobs = sorted(set(mine[label].astype(str))) if label in mine else []
    differ = [
        str(name)
        for name in labels.columns
        if not owns(str(name)) and any(labels[name].iloc[list(group)].nunique() > 1 for group in groups)
    ]
    return Scrapers(tuple(jobs), label, tuple(differ))


def _all_of(labels: pd.DataFrame, forced: Sequence[Matcher]) -> str:
    """Selector of some series: what they have in common, and each label's values where they differ."""
    name = str(labels["__name__"].iloc[0])
    values = {str(c): sorted(set(labels[c].astype(str))) for c in labels.columns if c != "__name__"}
    matchers = [equal(c, held[0]) if len(held) == 1 else one_of(c, held) for c, held in values.items()]
    return selector(name, *matchers, forced=forced)


def _listed(jobs: Sequence[str]) -> str:
    """Some names, with an end."""
    shown = [plain(job) or "one without a name" for job in jobs[:4]]
    more = f" and {len(jobs) - 4} more" if len(jobs) > 4 else ""
    return (", ".join(shown) + more) if more or len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"
