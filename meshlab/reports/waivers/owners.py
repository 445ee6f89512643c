"""Whose a report is: by a label of the telemetry (``owner_label``), else by the table ``[owners]`` of meshlab.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from meshlab.config import Config
from meshlab.errors import EngineError

__all__ = ["NOBODY", "Owners", "owned", "owners"]

# An edge is its callee's, whose operator can do something about it.
_ARROW: Final = re.compile(r".*(?:->|→)\s*", re.S)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who owns what."""

    labelled: Mapping[str, Sequence[tuple[str, str, str]]] = field(default_factory=lambda: MappingProxyType({}))
    """From a name to the cluster, the namespace and the label's value of each object of that name."""
    table: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """From a service, ``namespace/service`` or ``cluster/namespace/service``, each with ``*`` if need be."""

    def of(self, subject: object) -> str:
        """The owner of a subject or of an edge's destination; empty when nobody is named.

        Parameters
        ----------
        subject : object
            ``cluster/namespace/service``, or less of it; of an edge (``a -> b``) its destination counts.
        """
        name = _ARROW.sub("", str(subject)).strip()
        return self._by_label(name) or next(self._by_table(name), "")

    def _by_label(self, name: str) -> str:
        cluster, namespace, service = ["", "", *name.split("/")][-3:]
        same = [row for row in self.labelled.get(service, ()) if namespace in ("", "-") or row[1] == namespace]
        # A Prometheus of one cluster rarely labels its own, and a mesh has names of its own for clusters.
        here = {row[2] for row in same if row[0] == cluster} or {row[2] for row in same}
        return next(iter(here)) if len(here) == 1 else ""

    def _by_table(self, name: str) -> Iterator[str]:
        parts = name.split("/")
        names = ["/".join(parts[n:]) for n in range(len(parts))]
        yield from (self.table[own] for own in names if own in self.table)
        for pattern, owner in self.table.items():
            if any(fnmatchcase(own, pattern.replace("[", "[[]")) for own in names):
                yield owner


NOBODY: Final = Owners()


def owners(config: Config, source: str, cwd: Path) -> Owners:
    """Who owns what, by a source's labels and a configuration; the source is asked only where a label is named.

    Parameters
    ----------
    source : str
        As in `meshlab.connect`. One that does not answer leaves the table: a report is not lost for want of an owner.
    """
    labelled: dict[str, list[tuple[str, str, str]]] = {}
    if config.owner_label and source:
        from meshlab.telemetry.kubernetes.owners import owners as asked
        from meshlab.telemetry.source import open_source

        try:
            engine, options = open_source(source, cwd=cwd)
            for (cluster, namespace, name), owner in asked(engine, config.owner_label, options.forced).items():
                labelled.setdefault(name, []).append((cluster, namespace, owner))
        except EngineError:
            pass
    return Owners(labelled, config.owners)


def owned(result: Mapping[str, Any], known: Owners) -> dict[str, Any]:
    """A summary with ``owner``, in itself and in each finding, wherever one is known."""
    whose = known.of(result["subject"])
    findings = []
    for finding in result["findings"]:
        own = known.of(finding.get("subject", "")) or whose
        findings.append({**finding, "owner": own} if own else dict(finding))
    return {**result, "findings": findings, **({"owner": whose} if whose else {})}
