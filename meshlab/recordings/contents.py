"""What a recording holds, in a few lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.recordings.reader import open_folder
from meshlab.recordings.redaction import NO_NAMES

__all__ = ["Contents", "contents"]

_SERVICE_LABELS: Final = ("destination_canonical_service", "destination_service_name", "destination_workload")
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a recording holds.

    Parameters
    ----------
    manifest : mapping
    metrics : DataFrame
        ``metric``, ``series`` and ``samples``; the largest first.
    services : tuple of str
        Names of called services that the labels tell, sorted.
    not_redacted : tuple of str
        Labels that were to be redacted, and that no series has: mistyped, perhaps.
    """

    manifest: Mapping[str, Any]
    metrics: pd.DataFrame
    services: tuple[str, ...]
    not_redacted: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its Parquet files."""
        return sum(int(file["bytes"]) for file in self.manifest["files"].values())

    def next_command(self, folder: Path) -> str:
        """What to type next: the report on the first of its services; without any, what can be asked at all."""
        path = shlex.quote(plain(folder if "/" in str(folder) else f"./{folder}"))
        if not self.services:
            return f"meshlab doctor {path}"
        return f"meshlab report canary-verdict --source {path} -p service={shlex.quote(plain(self.services[0]))}"

    def text(self) -> str:
        """A short text for a terminal."""
        samples = self.manifest["files"]["samples.parquet"]["sha256"]
        lines = [
            f"{self.manifest['series']:,} series, {self.manifest['samples']:,} samples, {_bytes(self.size)} on disk",
            f"SHA-256 of samples.parquet: {samples}",
        ]
        top = self.metrics.head(_SHOWN)
        width = max((len(plain(name)) for name in top["metric"]), default=0)
        lines += [
            f"  {plain(row.metric):<{width}}  {row.series:>8,} series  {row.samples:>13,} samples"
            for row in top.itertuples()
        ]
        if len(self.metrics) > _SHOWN:
            lines.append(f"  and {len(self.metrics) - _SHOWN:,} more metrics")
        if self.services:
            lines.append(f"services: {_listed(self.services)}")
        if redacted := _texts(self.manifest.get("redacted")):
            done = [name for name in redacted if name not in self.not_redacted]
            lines.append(f"redacted: {_listed(done) or 'nothing'}")
        lines += [f"warning: no series has the label {plain(name)}, to be redacted" for name in self.not_redacted]
        lines += [f"warning: {plain(text)}" for text in _texts(self.manifest.get("warnings"))]
        return "".join(f"{line}\n" for line in lines)


def contents(folder: Path) -> Contents:
    """Count what a recording holds.

    Raises
    ------
    RecordingError
        The folder is not a recording, or is damaged.
    """
    store, manifest = open_folder(folder, verify=False, resident=0)
    labels = store.labels
    name = labels["__name__"] if "__name__" in labels.columns else pd.Series("", index=labels.index)
    counted = pd.DataFrame({"metric": name, "series": 1, "samples": np.diff(store.edges)})
    metrics = (
        counted.groupby("metric", as_index=False).sum().sort_values(["samples", "metric"], ascending=[False, True])
    )
    column = next((c for c in _SERVICE_LABELS if c in labels.columns), None)
    services = sorted(set(labels[column]) - NO_NAMES) if column else []
    missing = tuple(name for name in _texts(manifest.get("redacted")) if name not in labels.columns)
    return Contents(manifest, metrics.reset_index(drop=True), tuple(services), missing)


def _texts(value: object) -> list[str]:
    """What a manifest, which anybody may have written, says in a list."""
    return [str(text) for text in value] if isinstance(value, list) else []


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
