"""What meshlab.toml holds, and where it is found."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from meshlab.config.environment import zone
from meshlab.config.profile import Profile, Texts
from meshlab.core.settings import Settings, convert
from meshlab.core.suggest import suggest
from meshlab.errors import ConfigError

__all__ = ["Config", "Profiles", "dialects", "find", "load"]

_FILE: Final = "meshlab.toml"


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
    """

    def __init__(self, tables: Mapping[str, object], path: Path, meshes: tuple[str, ...] = ()) -> None:
        self._tables, self._path, self._meshes = tables, path, meshes

    def __getitem__(self, name: str) -> Profile:
        """A profile, checked, with its files as paths from the folder of meshlab.toml.

        Raises
        ------
        ConfigError
            It has a key or a value that is not known.
        """
        table = {name: self._tables[name]}
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
    """The meshlab.toml of the nearest parent folder that has one.

    Parameters
    ----------
    start : Path
        The folder one works in.
    """
    return next((folder / _FILE for folder in (start, *start.parents) if (folder / _FILE).is_file()), None)


def load(start: Path) -> Config:
    """Read what `find` finds.

    Raises
    ------
    ConfigError
        The file is no TOML, or has a key or a value that is not known. Profiles are checked when they are asked for.
    """
    path = find(start)
    if path is None:
        return Config()
    document = _document(path)
    config = convert(Config, document, what=str(path), error=ConfigError)
    zone(config.tz, str(path))
    profiles = Profiles(config.profiles, path, tuple(config.dialects))
    return msgspec.structs.replace(config, profiles=profiles)


def dialects(start: Path) -> tuple[Mapping[str, Any], Path | None]:
    """The tables ``[dialects.NAME]`` of the nearest meshlab.toml as they stand there, and the file.

    Raises
    ------
    ConfigError
        The file is no TOML.
    """
    path = find(start)
    found = _document(path).get("dialects", {}) if path else {}
    return found if isinstance(found, Mapping) else {}, path


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct the line it names") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check who may read it") from None


def _below(folder: Path, profile: Profile) -> Profile:
    """The profile with its files as paths from a folder."""
    values = msgspec.structs.asdict(profile)
    paths = {name: folder / value for name, value in values.items() if isinstance(value, Path)}
    return msgspec.structs.replace(profile, **paths)
