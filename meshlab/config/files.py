"""What meshlab.toml holds, and where it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, field

from meshlab.config import trust
from meshlab.config.environment import zone
from meshlab.config.profile import Profile, Texts
from meshlab.core.documents import Unreadable, read_toml
from meshlab.core.ownership import between, is_ours, why_not_ours
from meshlab.core.settings import Settings, convert
from meshlab.core.suggest import suggest
from meshlab.errors import ConfigError

__all__ = ["FILE", "Config", "Profiles", "dialects", "find", "guarded", "load", "nearest", "parsed"]

FILE: Final = "meshlab.toml"


class _Named(Settings):
    """One profile under its name, so that messages say which one is meant."""

    profile: dict[str, Profile]


class Profiles(Mapping[str, Profile]):
    """The profiles of a meshlab.toml by name. One is checked when it is asked for: a wrong one is in nobody's way.

    Parameters
    ----------
    tables : mapping of str to object
        As they stand in the file.
    path : Path
        The file.
    meshes : tuple of str
        Names of meshes that the file declares.
    trusted : bool
        Whether they may name variables and files; see `meshlab.config.trust`.
    """

    def __init__(
        self, tables: Mapping[str, object], path: Path, meshes: tuple[str, ...] = (), *, trusted: bool = True
    ) -> None:
        self._tables, self._path, self._meshes, self._trusted = tables, path, meshes, trusted

    def __getitem__(self, name: str) -> Profile:
        """A profile, checked, with its files as paths from the folder of meshlab.toml.

        Raises
        ------
        ConfigError
            It has a key or a value that is not known, or names what its file is not trusted to name.
        """
        table = {name: self._tables[name]}
        if not self._trusted:
            _refuse(self._path, "profile", table)
        profile = convert(_Named, {"profile": table}, what=str(self._path), error=ConfigError).profile[name]
        dialects = sorted({*entry_points(group="meshlab.dialects").names, *self._meshes})
        if profile.mesh and profile.mesh not in dialects:
            raise ConfigError(
                f"profile.{name} of {self._path}: mesh is {profile.mesh!r}", suggest(profile.mesh, dialects)
            )
        return _below(self._path.parent, profile)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        # Asked by name alone: a wrong profile is one all the same.
        return name in self._tables

    @cached_property
    def broken(self) -> dict[str, ConfigError]:
        """What is wrong with each profile that cannot be used."""
        found: dict[str, ConfigError] = {}
        for name in self:
            try:
                self[name]
            except ConfigError as error:
                found[name] = error
        return found


class Config(Settings):
    """What the nearest meshlab.toml holds; empty where there is none."""

    profiles: Annotated[Mapping[str, Any], Meta(description="Telemetry stores; `Profiles` once they are loaded.")] = (
        field(name="profile", default_factory=dict)
    )
    dialects: Annotated[
        dict[str, dict[str, Any]], Meta(description="Meshes of other names; `meshlab.telemetry.dialects.declared`.")
    ] = field(default_factory=dict)
    reports: Annotated[
        tuple[dict[str, Any], ...], Meta(description="Scheduled reports; `meshlab.reports.schedules` reads them.")
    ] = field(name="report", default=())
    receivers: Annotated[dict[str, dict[str, Any]], Meta(description="Receivers of notifications, likewise.")] = field(
        name="notify", default_factory=dict
    )
    waivers: Annotated[
        tuple[dict[str, Any], ...], Meta(description="Accepted findings; `meshlab.reports.waivers` reads them.")
    ] = field(name="waiver", default=())
    owner_label: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_./-]*\Z",
            title="the name of a label",
            examples=["team"],
            description="Label of Kubernetes objects that names their owner; empty for none.",
        ),
    ] = ""
    owners: Annotated[Texts, Meta(description="Owners of services that no label names.")] = field(default_factory=dict)
    tz: Annotated[str, Meta(description="Time zone of the pages' readers; empty for UTC alone.")] = ""


def find(start: Path) -> Path | None:
    """The meshlab.toml of the nearest parent folder that has one; none where somebody else may have written it.

    Parameters
    ----------
    start : Path
        The folder one works in.
    """
    found = _used(start)
    return found.path if found else None


def nearest(start: Path) -> Path | None:
    """The same, whoever wrote it."""
    return next((folder / FILE for folder in (start, *start.parents) if (folder / FILE).is_file()), None)


def load(start: Path, *, schedules: bool = False) -> Config:
    """Read what `find` finds.

    Parameters
    ----------
    start : Path
        The folder one works in.
    schedules : bool
        Whether its reports and receivers are meant to be used.

    Raises
    ------
    ConfigError
        The file is no TOML, or has a key or a value that is not known, or its reports and receivers name what it is not
        trusted to name. Profiles are checked when they are asked for.
    """
    found = _used(start)
    if found is None:
        return Config()
    path, trusted = found.path, found.trusted
    document = parsed(path, found.data)
    config = convert(Config, document, what=str(path), error=ConfigError)
    zone(config.tz, str(path))
    if schedules and not trusted:
        _refuse(path, "notify", config.receivers)
        _refuse(path, "report", {str(table.get("name", at)): table for at, table in enumerate(config.reports, 1)})
    profiles = Profiles(config.profiles, path, tuple(config.dialects), trusted=trusted)
    return msgspec.structs.replace(config, profiles=profiles)


def dialects(start: Path) -> tuple[Mapping[str, Any], Path | None]:
    """The tables ``[dialects.NAME]`` of the nearest meshlab.toml as they stand there, and the file.

    Raises
    ------
    ConfigError
        The file is no TOML.
    """
    used = _used(start)
    if used is None:
        return {}, None
    found = parsed(used.path, used.data).get("dialects", {})
    return found if isinstance(found, Mapping) else {}, used.path


class _Used(NamedTuple):
    """A meshlab.toml that was read once: what was looked at is what is used."""

    path: Path
    data: bytes
    trusted: bool


def _used(start: Path) -> _Used | None:
    path = nearest(start)
    if path is None:
        return None
    whose = (*between(start, path.parent), path)
    ours = not why_not_ours(whose)
    try:
        data = trust.read(path)
    except ConfigError:
        if ours:
            raise
        data = b""
    if ours or trust.is_recorded(path, data):
        return _Used(path, data, trust.is_trusted(path, data))
    is_ours(whose, str(path))  # says that it is left out
    return None


def _refuse(path: Path, kind: str, tables: Mapping[str, object]) -> None:
    for name, table in tables.items():
        if isinstance(table, Mapping):
            trust.refuse(path, f"{kind} {name}", trust.guarded(kind, table))


def guarded(path: Path, data: bytes) -> Iterator[tuple[str, str, list[str]]]:
    """What a meshlab.toml says that needs trust: the kind and the name of each table, and its keys."""
    document = parsed(path, data)
    for kind in ("profile", "report", "notify"):
        tables = document.get(kind, {})
        named = tables.items() if isinstance(tables, Mapping) else ((t.get("name", "?"), t) for t in tables)
        for name, table in named:
            if isinstance(table, Mapping) and (keys := trust.guarded(kind, table)):
                yield kind, str(name), keys


def parsed(path: Path, data: bytes) -> dict[str, Any]:
    """The tables of a meshlab.toml.

    Raises
    ------
    ConfigError
        It is no TOML.
    """
    try:
        return read_toml(data)
    except Unreadable as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct it there") from None


def _below(folder: Path, profile: Profile) -> Profile:
    """The profile with its files as paths from a folder."""
    values = msgspec.structs.asdict(profile)
    paths = {name: folder / value for name, value in values.items() if isinstance(value, Path)}
    return msgspec.structs.replace(profile, **paths)
