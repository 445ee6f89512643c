"""What a mesh's proxies and authorities export beside their request counters, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher, equal
from meshlab.telemetry.dialects.columns import Column, Condition

__all__ = ["MOMENTS", "SIGNALS", "Signal", "Signals"]

SIGNALS: Final = {
    "connections": "TCP connections opened to a workload, by who speaks to whom, `flags`, `tls` and `proxy`",
    "bytes": "bytes of TCP connections, by the same",
    "denials": "what the mesh's own policies let through or refused, by the same, `unit`, `protocol` and `denied`",
    "certificates": "gauges: ends of certificates in unix seconds, by `name` and `view`",
    "rejections": "gauges: new certificates that a proxy did not take, by `resource` and `kind`",
    "signing": "what certificate authorities signed and refused, by `what` and `error`",
    "decisions": "decisions of authorization policies, by `result`",
    "tls_versions": "gauges: handshakes since a proxy started, by `version`",
    "tls_ciphers": "gauges: handshakes since a proxy started, by `cipher`",
    "builds": "gauges: the releases of proxies, by `pod`, `instance`, `version`, and `ahead` (`edges.proxy_release`)",
    "retries": "counters of the source's proxies by who calls whom and `metric` (`proxies.COUNTERS`; `asked`, `tried`)",
    "breakers": "gauges: open breakers and ejected hosts, by who calls whom and `gauge` (`proxies.GAUGES`)",
    "in_flight": "gauges: requests in flight, as callers count them, by `instance` and `upstream`",
}
"""The signals that a dialect may have beside requests and durations. Counters, unless they are called gauges."""


MOMENTS: Final = frozenset({"certificates"})
"""The gauges whose value is a moment: they never add up."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A counter or a gauge, and how it is read.

    Parameters
    ----------
    metric : str
        Its name; empty where `matchers` choose several.
    columns : mapping of str to Column
        What its labels say.
    matchers : tuple of Matcher
        What selects its series.
    constants : mapping of str to str
        What holds of each of its series.
    namespace : str
        The label by which one namespace is asked for; empty: it speaks for all of them.
    seconds_left : bool
        Whether it counts down the seconds to a moment, and does not name the moment.
    """

    metric: str
    columns: Mapping[str, Column]
    matchers: tuple[Matcher, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "namespace"
    seconds_left: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are read, each once."""
        return tuple(dict.fromkeys(label for column in self.columns.values() for label in column.reads))

    def asked(self, namespace: str, where: Sequence[Condition] = ()) -> tuple[Matcher, ...]:
        """The matchers of its selector, for one namespace or (empty) for all.

        Conditions that cannot be asked for are left open.
        """
        own = (equal(self.namespace, namespace),) if namespace and self.namespace else ()
        more = (self.columns.get(c.dimension, Column()).matchers(c.values, c.dimension) for c in where)
        return (*self.matchers, *own, *(matcher for matchers in more for matcher in matchers))

    def mask(self, labels: pd.DataFrame) -> pd.Series[bool]:
        """Which rows of a label table are its series."""
        keep, absent = pd.Series(True, labels.index), pd.Series("", labels.index, dtype=str)
        for matcher in (*self.matchers, *([equal("__name__", self.metric)] if self.metric else [])):
            text = labels.get(matcher.name, absent).astype(str)
            keep &= text.map({value: matcher.holds(value) for value in text.unique()}).astype(bool)
        return keep

    def named(self, labels: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """Its columns for a table of labels; what it does not say is the empty text."""
        return pd.DataFrame(
            {
                name: self.columns.get(name, Column(constant=self.constants.get(name, ""))).values(labels, name)
                for name in columns
            },
            index=labels.index,
        )


Signals = Mapping[str, tuple[Signal, ...]]
"""By name, one of `SIGNALS`."""
