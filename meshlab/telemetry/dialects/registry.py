"""The installed dialects: what packages register under the entry point group ``meshlab.dialects``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from meshlab.errors import ConfigError
from meshlab.telemetry.dialects.dialect import Dialect

__all__ = ["GROUP", "installed", "owned_by_any", "proxy_containers", "root_namespaces"]

GROUP: Final = "meshlab.dialects"


@cache
def installed() -> Mapping[str, Dialect]:
    """All dialects by the names of their entry points, sorted; those that stand in for others come last.

    Packages are looked through once in a process; ``installed.cache_clear()`` does it again.

    Raises
    ------
    ConfigError
        There are none, or one of them cannot be used.
    """
    dialects: dict[str, Dialect] = {}
    for entry in entry_points(group=GROUP):
        try:
            dialect = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"The dialect {entry.name} cannot be loaded from {entry.value}: {error}",
                "reinstall or remove the package that registers it",
            ) from error
        if not isinstance(dialect, Dialect) or entry.name in dialects:
            problem = "is registered twice" if entry.name in dialects else f"is a {type(dialect).__name__}"
            raise ConfigError(
                f"The dialect {entry.name} ({entry.value}) {problem}",
                "register one Dialect under each name, see docs/architecture.md",
            )
        dialects[entry.name] = dialect
    if not dialects:
        raise ConfigError("No dialect is installed", "reinstall meshlab, so that its entry points are registered")
    return dict(sorted(dialects.items(), key=lambda item: (item[1].stand_in, item[0])))


def owned_by_any(label: str) -> bool:
    """Whether the proxies of any known mesh set a label; the others describe the scraped target."""
    return any(dialect.owns(label) for dialect in installed().values())


def proxy_containers() -> frozenset[str]:
    """Names of the containers that the sidecars of all known meshes run in."""
    return frozenset(name for dialect in installed().values() for name in dialect.proxy_containers)


def root_namespaces() -> frozenset[str]:
    """Namespaces whose policies hold for a whole mesh."""
    return frozenset(dialect.root_namespace for dialect in installed().values()) - {""}
