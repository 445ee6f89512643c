"""From what a user types as `source` to a mesh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from meshlab import config
from meshlab.core import resources
from meshlab.core.ownership import is_ours
from meshlab.core.sanitize import plain
from meshlab.core.suggest import suggest
from meshlab.engines.base import Engine
from meshlab.errors import ConfigError, ParameterError
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.dialects.declared import declared
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.mesh import Mesh

_ADDRESS: Final = re.compile(r"\s*(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*?)\s*", re.DOTALL)

__all__ = ["connect", "list_sources", "open_engine", "open_source"]


def connect(source: str | Path, *, cwd: Path | None = None) -> Mesh:
    """Open a telemetry store or a recording, and find out what it is and which mesh it speaks of.

    A store without a mesh still answers PromQL (`Mesh.query`).

    Parameters
    ----------
    source : str or Path
        ``http(s)://...``, a profile of meshlab.toml, a recording's bare name, or a recording's folder: a path with a
        ``/``, or a Path.
    cwd : Path, optional
        Where the search for meshlab.toml and ``data/`` begins; the working folder when not given.

    Raises
    ------
    ParameterError
        No such source, or a mesh of an outdated release in it.
    ConfigError
        meshlab.toml is wrong, or the name is both a profile and a recording.
    RecordingError, Unreachable, Refused
        The recording is damaged, or the store does not answer.
    """
    engine, options = open_source(source, cwd=cwd)
    return Mesh.detect(engine, str(source), options=options, required=False)


def open_engine(source: str | Path, *, cwd: Path | None = None) -> Engine:
    """Open a telemetry store or a recording as an engine; see `connect`."""
    return open_source(source, cwd=cwd)[0]


def open_source(source: str | Path, *, cwd: Path | None = None) -> tuple[Engine, MeshOptions]:
    """Open a telemetry store or a recording, with what its profile says about the mesh; see `connect`."""
    here = (cwd or Path.cwd()).resolve()
    options = MeshOptions(declared=_declared(here))
    if isinstance(source, Path):
        return _recording(here / source), options
    if not isinstance(source, str):
        raise ParameterError(f"source is {source!r}, not text", "give a URL, a profile, a recording's name or a path")
    if address := _ADDRESS.fullmatch(source):
        url = f"{address['scheme'].lower()}://{address['rest']}"
        if address["scheme"].lower() not in ("http", "https"):
            raise ParameterError(f"source is an address of the kind {address['scheme'][:20]}://", "give http(s)://...")
        return _server(url, config.Profile(url=url, cache=False)), options
    if "/" in source:
        _check_names_no_user(source, here)
        return _recording(here / source), options
    profiles = config.load(here).profiles
    folders = {folder.name: folder for folder in reversed(_recordings(here))}
    if source in profiles and source in folders:
        raise ConfigError(
            f"{source!r} is both a profile in meshlab.toml and a recording at {folders[source]}", "rename one of them"
        )
    if source in profiles:
        profile = profiles[source]
        options = replace(
            options,
            metrics=profile.metrics,
            labels=profile.labels,
            replica_label=profile.replica_label,
            match=profile.match,
            mesh=profile.mesh,
        )
        return (_several(source, profile, here) if profile.sources else _server(source, profile)), options
    if source in folders:
        return _recording(folders[source]), options
    if (here / source).is_file():
        return _recording(here / source), options
    _check_names_no_user(source, here)
    names = sorted({*profiles, *folders})
    hint = suggest(source, names)
    raise ParameterError(
        f"source {plain(source)!r} is neither a profile nor a recording",
        hint if hint.startswith("did") else f"give a URL or a path with a /; {hint}",
    )


def list_sources(cwd: Path) -> list[str]:
    """Profiles and recordings that can be named from a folder, sorted.

    Raises
    ------
    ConfigError
        meshlab.toml is wrong.
    """
    here = cwd.resolve()
    return sorted({*config.load(here).profiles, *(folder.name for folder in _recordings(here))})


def _check_names_no_user(source: str, here: Path) -> None:
    """A user with a password before a host, without a scheme: it is not repeated."""
    if "@" in source and not (here / source).exists():
        raise ConfigError("the source is no address, or holds a user or password", "write http(s)://HOST:PORT")


def _several(name: str, profile: config.Profile, here: Path) -> Engine:
    """The stores of a profile together; their own profiles say how each is reached, this one how all are read."""
    from meshlab.engines.several import SeveralEngines

    profiles = config.load(here).profiles
    for one in profile.sources:
        if one in profiles and profiles[one].sources:
            raise ConfigError(
                f"profile {name} has {one} among its sources, which has sources itself", "name its stores"
            )
    return SeveralEngines({one: open_source(one, cwd=here)[0] for one in profile.sources})


def _declared(here: Path) -> Mapping[str, Dialect]:
    """The dialects that the nearest meshlab.toml declares, whatever else stands there."""
    tables, path = config.dialects(here)
    return declared(tables, str(path)) if tables else {}


def _recordings(here: Path) -> list[Path]:
    """Folders of recordings, the nearest first."""
    found = [f.parent for place in resources.places("data", here) for f in sorted(place.glob("*/manifest.json"))]
    return [folder for folder in found if is_ours((folder,), str(folder))]


def _server(name: str, profile: config.Profile) -> Engine:
    from meshlab.engines.connection import Connection
    from meshlab.engines.http import PrometheusEngine

    kept = not _is_here(profile.url) if profile.cache is None else profile.cache
    return PrometheusEngine(Connection.of(name, profile, cache=config.cache_folder() if kept else None))


def _is_here(url: str) -> bool:
    """Whether an address is this machine's own: tomorrow something else may answer there (a port-forward)."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def _recording(folder: Path) -> Engine:
    from meshlab.recordings.engine import Recording

    return Recording.open(folder)
