"""What was found out about a store as a profile of meshlab.toml, to be pasted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.probe import Probe

__all__ = ["labels_found", "profile"]


def labels_found(dialects: Iterable[Dialect], probe: Probe) -> dict[str, str]:
    """The labels that stand for dimensions here and not in the mesh's own words: the names of both."""
    found = {name: label for dialect in dialects for name, label in dialect.instead.items()}
    return {**found, **probe.clusters_labels}


def profile(source: str, labels: Mapping[str, str]) -> list[str]:
    """Lines of a meshlab.toml that names a store's address and its labels; none where the source is no address.

    Parameters
    ----------
    source : str
        As it was typed.
    labels : mapping of str to str
        Of `labels_found`.
    """
    address = urlsplit(source)
    if address.scheme not in ("http", "https") or not labels or address.username or address.password:
        return []
    name = re.sub(r"[^a-z0-9-]+", "-", (address.hostname or "store").lower()).strip("-") or "store"
    lines = [f"[profile.{name}]", f"url = {json.dumps(source)}", "", f"[profile.{name}.labels]"]
    return [*lines, *(f"{dimension} = {json.dumps(label)}" for dimension, label in sorted(labels.items()))]
