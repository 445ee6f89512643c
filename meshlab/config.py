"""meshlab.toml and MESHLAB_*: profiles of telemetry stores. The reader of the environment, but for
``MESHLAB_OUT``, which a displayed result reads."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher, parse_matcher
from meshlab.errors import ConfigError, ParameterError

__all__ = ["Config", "Kind", "Limits", "Profile", "cache_folder", "known_keys", "load", "secret", "zone"]

_FILE = "meshlab.toml"


class Kind(StrEnum):
    """What answers at an address."""

    PROMETHEUS = "prometheus"
    VICTORIAMETRICS = "victoriametrics"
    THANOS = "thanos"
    MIMIR = "mimir"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is asked for at once.

    Parameters
    ----------
    timeout_s : float
        Seconds to connect, and between two pieces of an answer; ten times that for the whole.
    parallel : int
        Requests at the same time.
    points : int
        Steps of one range query; a longer one is asked for in pieces.
    bytes : int
        Longest answer, or answers where several are on their way.
    series : int
        Most series in one answer.
    """

    timeout_s: float = 30.0
    parallel: int = 4
    points: int = 11_000
    bytes: int = 512 << 20
    series: int = 200_000


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach one telemetry store, and how to read it. No secret is in here: only where it is.

    Parameters
    ----------
    name : str
        What a notebook's `source` says.
    url : str
        Base address of a Prometheus-compatible API.
    kind : Kind or None
        None: it is found out.
    tenant : str
        Tenant of a Mimir, Cortex or Thanos.
    token_env, token_file : str, Path or None
        Where a bearer token is.
    user, password_env, password_file : str, str, Path or None
        Basic authentication.
    header_env : mapping of str to str
        Other headers, by the variable that holds their value.
    ca_file, client_cert, client_key : Path or None
        Certificates to trust, and to show.
    match : tuple of Matcher
        Conditions that every query gets.
    limits : Limits
    compression : bool
        Whether to ask for compressed answers: slower on a local network, faster over a thin line.
    cache : bool or None
        Whether answers about the past are kept on disk; None: yes, unless the address is this machine's own, where
        something else may answer tomorrow (a port-forward).
    ui_url : str
        Where people look at queries: the address of a Prometheus or VictoriaMetrics, or any with ``{query}``,
        ``{start_ms}``, ``{end_ms}`` in it. Empty: the store's own.
    mesh : str
        The name of an installed dialect; empty: it is found out.
    replica_label : str
        The label by which the series of two replicas of one Prometheus differ.
    metrics, labels : mapping of str to str
        The store's own names for what the mesh's dialect calls otherwise (recording rules).
    """

    name: str
    url: str
    kind: Kind | None = None
    tenant: str = ""
    token_env: str = ""
    token_file: Path | None = None
    user: str = ""
    password_env: str = ""
    password_file: Path | None = None
    header_env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    match: tuple[Matcher, ...] = ()
    limits: Limits = Limits()
    compression: bool = False
    cache: bool | None = None
    ui_url: str = ""
    mesh: str = ""
    replica_label: str = ""
    metrics: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def auth(self) -> tuple[str, str] | None:
        """User and password of basic authentication.

        Raises
        ------
        ConfigError
            The variable or the file is not there, or is empty.
        """
        if not self.user:
            return None
        return self.user, self._secret("password", self.password_env, self.password_file)

    def headers(self) -> dict[str, str]:
        """Headers that carry secrets: the token, and the profile's own.

        Raises
        ------
        ConfigError
            A variable or the file is not there, or is empty.
        """
        found = {name: self._secret(name, variable, None) for name, variable in self.header_env.items()}
        if self.token_env or self.token_file:
            found["Authorization"] = f"Bearer {self._secret('token', self.token_env, self.token_file)}"
        return found

    def _secret(self, what: str, variable: str, path: Path | None) -> str:
        if path is not None:
            try:
                text = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise ConfigError(
                    f"the {what} of profile {self.name} cannot be read from {path}: {reason}",
                    "check the path and who may read it",
                ) from None
            where = str(path)
        else:
            return secret(f"{what} of profile {self.name}", variable)
        if not text:
            raise ConfigError(
                f"the {what} of profile {self.name} is not in {where}", f"put it there, or change {_FILE}"
            )
        return text


@dataclass(frozen=True, slots=True)
class Config:
    """What the nearest meshlab.toml says; empty where there is none.

    Parameters
    ----------
    profiles : mapping of str to Profile
    folder : Path or None
        Where the file lies.
    reports : tuple of mapping
        The ``[[report]]`` tables, as they stand there; `meshlab.reports.schedules` reads them.
    receivers : mapping of str to mapping
        The ``[notify.NAME]`` tables, likewise.
    waivers : tuple of mapping
        The ``[[waiver]]`` tables, likewise; `meshlab.reports.waivers.entries` reads them.
    owner_label : str
        The label of Kubernetes' objects that says whose they are; empty for none.
    owners : mapping of str to str
        The ``[owners]`` table: whose a service is where no label says so.
    tz : str
        The time zone of those who read the pages; empty for UTC alone.
    """

    profiles: Mapping[str, Profile] = field(default_factory=lambda: MappingProxyType({}))
    folder: Path | None = None
    reports: tuple[Mapping[str, Any], ...] = ()
    receivers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    waivers: tuple[Mapping[str, Any], ...] = ()
    owner_label: str = ""
    owners: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tz: str = ""


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
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check who may read it") from None
    known_keys(text, ("profile", "report", "notify", "waiver", "owner_label", "owners", "tz"), str(path))
    tables = _tables(text, "profile", 'write [profile.prod] and url = "https://..." below it', path)
    receivers = _tables(text, "notify", 'write [notify.chat] and kind = "slack" below it', path)
    return Config(
        MappingProxyType({name: _profile(name, table, path) for name, table in tables.items()}),
        path.parent,
        _lists(text, "report", 'write [[report]] and name = "nightly" below it', path),
        MappingProxyType(receivers),
        _lists(text, "waiver", 'write [[waiver]] and code = "ML-SEC-002" below it', path),
        _owner_label(text, path),
        _owners(text, path),
        zone(text.get("tz", ""), str(path)),
    )


def secret(what: str, variable: str) -> str:
    """A secret out of the environment.

    Parameters
    ----------
    what : str
        What it is, for what is said when it is missing.
    variable : str

    Raises
    ------
    ConfigError
        The variable is not there, or is empty.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        raise ConfigError(f"the {what} is not in the variable {variable}", f"put it there, or change {_FILE}")
    return text


def _tables(text: Mapping[str, Any], key: str, hint: str, path: Path) -> dict[str, Mapping[str, Any]]:
    tables = text.get(key, {})
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise ConfigError(f"{key} in {path} is no table", hint)
    return tables


def _lists(text: Mapping[str, Any], key: str, hint: str, path: Path) -> tuple[Mapping[str, Any], ...]:
    tables = text.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ConfigError(f"{key} in {path} is no list of tables", hint)
    return tuple(MappingProxyType(table) for table in tables)


def _owner_label(text: Mapping[str, Any], path: Path) -> str:
    label = text.get("owner_label", "")
    if not isinstance(label, str) or not re.fullmatch(r"[A-Za-z0-9_./-]*", label):
        raise ConfigError(f"owner_label in {path} is no label's name", 'write owner_label = "team" above all tables')
    return label


def _owners(text: Mapping[str, Any], path: Path) -> Mapping[str, str]:
    table = text.get("owners", {})
    if not isinstance(table, dict) or not all(isinstance(v, str) and v for v in table.values()):
        raise ConfigError(f"owners in {path} is no table of texts", 'write [owners] and "shop/catalog" = "team-a"')
    return MappingProxyType(table)


def zone(name: object, where: str) -> str:
    """Check the name of a time zone.

    Parameters
    ----------
    name : object
        Empty for none.
    where : str
        Where it stands, for what is said when it is wrong.

    Raises
    ------
    ConfigError
        This machine knows no such zone.
    """
    try:
        if not isinstance(name, str):
            raise ValueError
        if name:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"tz of {where} is {plain(name)!r}, which this machine does not know", 'write tz = "Europe/Berlin"'
        ) from None
    return name


def cache_folder() -> Path | None:
    """Where answers about the past are kept: ``MESHLAB_CACHE``, or the user's own cache folder.

    Returns
    -------
    Path or None
        None when ``MESHLAB_CACHE`` is ``off``.
    """
    told = os.environ.get("MESHLAB_CACHE", "").strip()
    if told.lower() in ("off", "no", "0", "false"):
        return None
    if told:
        return Path(told).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "meshlab"


_TEXT: Final = ("url", "kind", "tenant", "token_env", "user", "password_env", "ui_url", "mesh", "replica_label")
_PATHS: Final = ("token_file", "password_file", "ca_file", "client_cert", "client_key")
_FLAGS: Final = ("compression", "cache")
_NUMBERS: Final = ("timeout_s", "parallel", "points", "bytes", "series")
_TABLES: Final = ("header_env", "metrics", "labels", "limits")
_KEYS: Final = (*_TEXT, *_PATHS, *_FLAGS, "timeout_s", "match", *_TABLES)


def _profile(name: str, table: Mapping[str, Any], path: Path) -> Profile:
    where = f"[profile.{name}] in {path}"
    known_keys(table, _KEYS, where)
    for key, value in table.items():
        wanted: type | tuple[type, ...] = str
        wanted = bool if key in _FLAGS else (int, float) if key == "timeout_s" else wanted
        wanted = list if key == "match" else dict if key in _TABLES else wanted
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise ConfigError(f"{key} of {where} has the wrong type", f"see the keys of a profile: {', '.join(_KEYS)}")
    url = table.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{where} has no url", 'write url = "https://prometheus.example.org"')
    ui_url = table.get("ui_url", "")
    if ui_url and (not ui_url.startswith(("http://", "https://")) or "@" in ui_url.split("/")[2]):
        # Links go into pages that others read.
        raise ConfigError(f"ui_url of {where} is no address, or one with a user", 'write ui_url = "https://host/graph"')
    limits = {**{k: table[k] for k in ("timeout_s",) if k in table}, **table.get("limits", {})}
    given: dict[str, Any] = {key: table[key] for key in (*_TEXT, *_FLAGS) if key in table}
    given |= {key: path.parent / Path(table[key]).expanduser() for key in _PATHS if key in table}
    for key in ("header_env", "metrics", "labels"):
        pairs = table.get(key, {})
        if not all(isinstance(value, str) and value for value in pairs.values()):
            raise ConfigError(f"{key} of {where} has a value that is no text", f'write {key} = {{ name = "text" }}')
        given[key] = MappingProxyType(dict(pairs))
    given["kind"] = _one_of("kind", table.get("kind", ""), tuple(k.value for k in Kind), where)
    given["kind"] = Kind(given["kind"]) if given["kind"] else None
    _one_of("mesh", table.get("mesh", ""), tuple(sorted(entry_points(group="meshlab.dialects").names)), where)
    found = Profile(
        name,
        **{k: v for k, v in given.items() if k != "name"},
        limits=_limits(limits, where),
        match=_matchers(table.get("match", []), where),
    )
    _consistent(found, where)
    return found


def _limits(table: Mapping[str, Any], where: str) -> Limits:
    known_keys(table, _NUMBERS, f"limits of {where}")
    for key, value in table.items():
        whole = key != "timeout_s"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not value > 0:
            raise ConfigError(
                f"{key} of {where} is {value!r}", f"write a {'whole ' if whole else ''}number greater than 0"
            )
    return Limits(**{**table, **({"timeout_s": float(table["timeout_s"])} if "timeout_s" in table else {})})


def _matchers(texts: list[Any], where: str) -> tuple[Matcher, ...]:
    try:
        return tuple(parse_matcher(text) for text in texts)
    except ParameterError as error:
        raise ConfigError(f"match of {where}: {error.what}", error.hint) from None


def _consistent(profile: Profile, where: str) -> None:
    for what, first, second in (
        ("token", profile.token_env, profile.token_file),
        ("password", profile.password_env, profile.password_file),
    ):
        if first and second:
            raise ConfigError(f"{where} has a {what}_env and a {what}_file", "keep one of them")
    has_password = bool(profile.password_env or profile.password_file)
    if bool(profile.user) != has_password:
        raise ConfigError(
            f"{where} has a {'user' if profile.user else 'password'} alone",
            'write both: user = "..." and password_env = "NAME_OF_A_VARIABLE"',
        )
    if profile.user and (profile.token_env or profile.token_file):
        raise ConfigError(f"{where} has a user and a token", "keep one of them")
    if profile.client_key and not profile.client_cert:
        raise ConfigError(f"{where} has a client_key without a client_cert", "name both files")


def _one_of(key: str, value: str, known: tuple[str, ...], where: str) -> str:
    if value and value not in known:
        near = difflib.get_close_matches(value.lower(), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
        raise ConfigError(f"{key} of {where} is {plain(value)!r}", hint)
    return value


def known_keys(table: Mapping[str, object], keys: tuple[str, ...], where: str) -> None:
    """Check that a table has no key but these.

    Raises
    ------
    ConfigError
        It has; with the nearest one that is known.
    """
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}" if near else f"known are: {', '.join(keys)}"
            raise ConfigError(f"{where} has an unknown key {key!r}", hint)
