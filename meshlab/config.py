"""meshlab.toml and MESHLAB_*: profiles of telemetry stores. The only reader of the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from meshlab.errors import ConfigError

__all__ = ["Config", "Profile", "load"]

_FILE = "meshlab.toml"


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach one telemetry store.

    Parameters
    ----------
    name : str
        What a notebook's `source` says.
    url : str
        Base address of a Prometheus-compatible API.
    timeout_s : float
        Seconds that one request may take.
    compression : bool
        Whether to ask for compressed answers: slower on a local network, faster over a thin line.
    """

    name: str
    url: str
    timeout_s: float = 30.0
    compression: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """What the nearest meshlab.toml says; empty where there is none.

    Parameters
    ----------
    profiles : mapping of str to Profile
    folder : Path or None
        Where the file lies.
    """

    profiles: Mapping[str, Profile] = field(default_factory=lambda: MappingProxyType({}))
    folder: Path | None = None


_TYPES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"url": str, "timeout_s": (int, float), "compression": bool}
)


def load(start: Path) -> Config:
    """Read the meshlab.toml of the nearest parent folder that has one.

    Parameters
    ----------
    start : Path
        The folder one works in.

    Raises
    ------
    ConfigError
        The file is no TOML, or has a key or a value that is not known.
    """
    path = next((p / _FILE for p in (start, *start.parents) if (p / _FILE).is_file()), None)
    if path is None:
        return Config()
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct the line it names") from None
    _known(text, ("profile",), str(path))
    tables = text.get("profile", {})
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise ConfigError(f"profile in {path} is no table", 'write [profile.prod] and url = "https://..." below it')
    return Config(MappingProxyType({name: _profile(name, table, path) for name, table in tables.items()}), path.parent)


def _profile(name: str, table: Mapping[str, object], path: Path) -> Profile:
    where = f"[profile.{name}] in {path}"
    _known(table, tuple(_TYPES), where)
    for key, value in table.items():
        wanted = _TYPES[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise ConfigError(f"{key} of {where} has the wrong type", f"see the keys of a profile: {', '.join(_TYPES)}")
    url = table.get("url", "")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise ConfigError(f"{where} has no url", 'write url = "https://prometheus.example.org"')
    return Profile(
        name, url, timeout_s=float(str(table.get("timeout_s", 30.0))), compression=table.get("compression") is True
    )


def _known(table: Mapping[str, object], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}" if near else f"known are: {', '.join(keys)}"
            raise ConfigError(f"{where} has an unknown key {key!r}", hint)
