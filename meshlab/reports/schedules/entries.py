"""``[[report]]`` and ``[notify.NAME]``: read and checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from meshlab import config
from meshlab.config import Config, known_keys
from meshlab.core.sanitize import plain
from meshlab.errors import ConfigError
from meshlab.reports.schedules.cron import Cron, parse

__all__ = ["Kind", "On", "Receiver", "Scheduled", "Sweep", "named", "scheduled"]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SWEEP_KEYS: Final = ("over", "pages", "executor", "jobs", "dask")
_REPORT_KEYS: Final = (
    *("name", "notebook", "sweep", "source", "parameters", "cron", "tz", "keep", "notify", "fail_on"),
    *_SWEEP_KEYS,
)
_RECEIVER_KEYS: Final = ("kind", "url", "url_env", "on", "link")
_FAIL_ON: Final = ("warn", "fail", "never")
_OVER: Final = ("services",)
_PAGES: Final = ("failing", "all", "none")
_EXECUTORS: Final = ("processes", "threads")


class Kind(StrEnum):
    """What a receiver understands."""

    ALERTMANAGER = "alertmanager"
    SLACK = "slack"
    WEBHOOK = "webhook"


class On(StrEnum):
    """When a receiver is told."""

    CHANGE = "change"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told of a report.

    Parameters
    ----------
    name : str
    kind : Kind
    url : str
        Its address; empty where it is a secret.
    url_env : str
        The variable that holds the address.
    on : On
        ``change`` tells of another verdict than in the run before; an Alertmanager is told after every run all the
        same, since an alert ends that is not repeated.
    link : str
        Where the folder of the reports is served; empty for no link.
    """

    name: str
    kind: Kind
    url: str = ""
    url_env: str = ""
    on: On = On.CHANGE
    link: str = ""

    def address(self) -> str:
        """Where it is told.

        Raises
        ------
        ConfigError
            The variable is not there, or holds no address.
        """
        found = self.url or config.secret(f"address of notify.{self.name}", self.url_env)
        if not _is_address(found):
            # The address itself is the secret: it is not repeated.
            raise ConfigError(f"the address of notify.{self.name} is none", "give one that begins with https://")
        return found.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a report asks of every service.

    Parameters
    ----------
    question : str
    source : str
    over, pages, executor : str
        As of `meshlab sweep`.
    jobs : int
        Workers; 0: one for each core.
    dask : str
        Address of a Dask scheduler; empty for none.
    """

    question: str
    source: str
    over: str = "services"
    pages: str = "failing"
    executor: str = "processes"
    jobs: int = 0
    dask: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A report that runs on a timer.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and dashes, 40 at most.
    notebook : str
        A name or a path, as of `meshlab report`; empty for a sweep.
    cron : Cron
    parameters : mapping of str to str
        As typed after ``-p``; ``source`` is one of them, but for a sweep.
    keep : int
        How many runs stay in its folder.
    notify : tuple of Receiver
    fail_on : str
        ``warn``, ``fail`` or ``never``.
    sweep : Sweep or None
        What is asked of every service, in place of a notebook.
    """

    name: str
    notebook: str
    cron: Cron
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    keep: int = 30
    notify: tuple[Receiver, ...] = ()
    fail_on: str = "fail"
    sweep: Sweep | None = None

    @property
    def what(self) -> str:
        """The notebook, or the sweep in words."""
        return f"sweep {self.sweep.question} over {self.sweep.over}" if self.sweep else self.notebook


def scheduled(told: Config) -> tuple[Scheduled, ...]:
    """Every report of a configuration, in its order.

    Raises
    ------
    ConfigError
        A key or a value that is not known, two reports of one name, or a receiver that is not there.
    """
    receivers = {name: _receiver(name, table) for name, table in told.receivers.items()}
    found: dict[str, Scheduled] = {}
    for number, table in enumerate(told.reports, 1):
        one = _scheduled(table, number, receivers)
        if one.name in found:
            raise ConfigError(f"two reports are called {one.name}", "give each a name of its own")
        found[one.name] = one
    return tuple(found.values())


def named(told: Config, name: str) -> Scheduled:
    """One report by its name.

    Raises
    ------
    ConfigError
        There is none of that name; or as of `scheduled`.
    """
    known = {one.name: one for one in scheduled(told)}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "write [[report]] into meshlab.toml"
        raise ConfigError(f"no report is called {plain(name)!r}", hint)
    return known[name]


def _scheduled(table: Mapping[str, Any], number: int, receivers: Mapping[str, Receiver]) -> Scheduled:
    where = f"report {number} ({plain(table.get('name', 'without a name'))})"
    known_keys(table, _REPORT_KEYS, where)
    if bool(table.get("notebook")) == bool(table.get("sweep")):
        raise ConfigError(f"{where} needs one of notebook and sweep", 'write notebook = "..." or sweep = "canary"')
    for key in ("name", "cron"):
        if not table.get(key):
            raise ConfigError(f"{where} has no {key}", f'write {key} = "{_EXAMPLES[key]}"')
    for key in _EXAMPLES:
        if not isinstance(table.get(key, ""), str):
            raise ConfigError(f"{key} of {where} is no text", f'write {key} = "{_EXAMPLES[key]}"')
    name = table["name"]
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{plain(name)!r} is no name for a report", "use lower-case letters, digits and dashes: 40")
    keep = table.get("keep", 30)
    if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
        raise ConfigError(f"keep of {where} is {plain(keep)!r}", "write a whole number greater than 0")
    wanted = table.get("notify", [])
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise ConfigError(f"notify of {where} is no list of names", 'write notify = ["chat"]')
    for one in wanted:
        if one not in receivers:
            raise ConfigError(f"{where} notifies {plain(one)!r}, which is not there", "write [notify.NAME] for it")
    return Scheduled(
        name,
        table.get("notebook", ""),
        parse(table["cron"], table.get("tz", "UTC"), where),
        _parameters(table, where),
        keep,
        tuple(receivers[one] for one in wanted),
        _one_of("fail_on", table.get("fail_on", "fail"), _FAIL_ON, where),
        _sweep(table, where),
    )


def _sweep(table: Mapping[str, Any], where: str) -> Sweep | None:
    given = {key: table[key] for key in _SWEEP_KEYS if key in table}
    if not table.get("sweep"):
        if given:
            raise ConfigError(f"{where} has {next(iter(given))}, which is a sweep's", 'write sweep = "canary" too')
        return None
    if not table.get("source"):
        raise ConfigError(f"{where} has no source", 'write source = "prod"')
    jobs = given.get("jobs", 0)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 0:
        raise ConfigError(f"jobs of {where} is {plain(jobs)!r}", "write a whole number; 0: one for each core")
    for key, known in (("over", _OVER), ("pages", _PAGES), ("executor", _EXECUTORS)):
        _one_of(key, given.get(key, known[0]), known, where)
    return Sweep(question=table["sweep"], source=table["source"], **given)


_EXAMPLES: Final = MappingProxyType(
    {
        "name": "catalog-hourly",
        "notebook": "canary-verdict",
        "sweep": "canary",
        "over": "services",
        "pages": "failing",
        "executor": "processes",
        "dask": "tcp://scheduler:8786",
        "source": "prod",
        "cron": "0 * * * *",
        "tz": "Europe/Berlin",
        "fail_on": "fail",
    }
)


def _parameters(table: Mapping[str, Any], where: str) -> Mapping[str, str]:
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise ConfigError(f"parameters of {where} are no table", 'write parameters = { service = "catalog" }')
    found = {}
    for name, value in given.items():
        if not isinstance(value, str | int | float | bool):
            raise ConfigError(f"{plain(name)} of {where} is neither text nor number", "write a text, number or true")
        found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if "source" in table:
        if "source" in found:
            raise ConfigError(f"{where} has a source twice", "keep one of them")
        if not table.get("sweep"):
            found["source"] = table["source"]
    return MappingProxyType(found)


def _receiver(name: str, table: Mapping[str, Any]) -> Receiver:
    where = f"notify.{plain(name)}"
    known_keys(table, _RECEIVER_KEYS, where)
    for key, value in table.items():
        if not isinstance(value, str):
            raise ConfigError(f"{key} of {where} is no text", f'write {key} = "..."')
    if bool(table.get("url")) == bool(table.get("url_env")):
        raise ConfigError(f"{where} needs one of url and url_env", 'write url_env = "NAME_OF_A_VARIABLE"')
    if table.get("url") and not _is_address(table["url"]):
        raise ConfigError(f"url of {where} is no address, or one with a user", "put a secret address into url_env")
    if table.get("url_env") and not _VARIABLE.fullmatch(table["url_env"]):
        raise ConfigError(f"url_env of {where} is no name of a variable", 'write url_env = "SLACK_URL"')
    if table.get("link") and not _is_address(table["link"]):
        raise ConfigError(
            f"link of {where} is no address, or one with a user", 'write link = "https://reports.example.org"'
        )
    return Receiver(
        name,
        Kind(_one_of("kind", table.get("kind", "nothing"), tuple(Kind), where)),
        table.get("url", ""),
        table.get("url_env", ""),
        On(_one_of("on", table.get("on", "change"), tuple(On), where)),
        table.get("link", "").rstrip("/"),
    )


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _one_of(key: str, value: str, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise ConfigError(f"{key} of {where} is {plain(value)!r}", f"write one of {', '.join(known)}")
    return value
