"""``[[report]]`` and ``[notify.NAME]`` of meshlab.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from meshlab import config
from meshlab.config import Config, Link
from meshlab.core.declarations import INTERNAL
from meshlab.core.settings import Settings, convert
from meshlab.core.suggest import suggest
from meshlab.errors import ConfigError, ParameterError
from meshlab.reports.run.exits import FailOn
from meshlab.reports.schedules.cron import Cron, parse
from meshlab.reports.sweep.choices import Pages, Workers

__all__ = ["Kind", "On", "Receiver", "Report", "Scheduled", "Sweep", "named", "scheduled"]


class Kind(StrEnum):
    """What a receiver understands."""

    ALERTMANAGER = "alertmanager"
    SLACK = "slack"
    WEBHOOK = "webhook"


class On(StrEnum):
    """When a receiver is notified."""

    CHANGE = "change"
    ALWAYS = "always"


class Receiver(Settings, kw_only=True):
    """Who is notified of a report."""

    name: Annotated[str, INTERNAL] = ""
    """The name of its table, [notify.NAME]."""
    kind: Annotated[Kind, Meta(description="What it understands.")]
    url: Annotated[Link, Meta(description="Its address; empty where that is a secret.")] = ""
    url_env: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z",
            title="the name of a variable",
            examples=["SLACK_URL"],
            description="Variable that holds the address.",
        ),
    ] = ""
    on: Annotated[
        On,
        Meta(
            description="`change` notifies of another verdict than the run before; an Alertmanager is notified after "
            "every run, since an alert that is not repeated ends."
        ),
    ] = On.CHANGE
    link: Annotated[Link, Meta(description="Address at which the reports' folder is served; empty for no link.")] = ""

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.url_env):
            raise ParameterError("one of url and url_env is needed", 'write url_env = "NAME_OF_A_VARIABLE"')
        msgspec.structs.force_setattr(self, "link", self.link.rstrip("/"))

    def address(self) -> str:
        """The address to send to.

        Raises
        ------
        ConfigError
            The variable is not set, or holds no address.
        """
        address = self.url or config.secret(f"address of notify.{self.name}", self.url_env)
        try:
            return msgspec.convert(address, Link).rstrip("/")
        except msgspec.ValidationError:
            # The address itself is the secret: it is not repeated.
            raise ConfigError(
                f"the address of notify.{self.name} is not an address", "give one that begins with https://"
            ) from None


class _SweepOptions(Settings):
    """How a sweep is made, as of `meshlab sweep`."""

    over: Annotated[Literal["services"], Meta(description="What is swept.")] = "services"
    pages: Annotated[Pages, Meta(description="Which services get a page.")] = Pages.FAILING
    executor: Annotated[Workers, Meta(description="Worker pool.")] = Workers.PROCESSES
    jobs: Annotated[int, Meta(ge=0, description="Workers; 0: one for each core.")] = 0
    dask: Annotated[
        str, Meta(examples=["tcp://scheduler:8786"], description="Address of a Dask scheduler; empty for none.")
    ] = ""


class Sweep(_SweepOptions, kw_only=True):
    """What a report asks of every service."""

    question: str
    source: str


_Parameters = Annotated[
    dict[str, str | int | float | bool], Meta(title="a table of texts, numbers and flags", description="As after `-p`.")
]


class Report(_SweepOptions, kw_only=True):
    """A ``[[report]]`` table."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z",
            title="a name of at most 40 lower-case letters, digits and dashes",
            examples=["catalog-hourly"],
            description="The report's name, and that of its folder.",
        ),
    ]
    notebook: Annotated[str, Meta(examples=["canary-verdict"], description="What runs, as of `meshlab report`.")] = ""
    sweep: Annotated[str, Meta(examples=["canary"], description="Or a question, as of `meshlab sweep`.")] = ""
    source: Annotated[str, Meta(examples=["prod"], description="A profile, or any other source.")] = ""
    parameters: _Parameters = msgspec.field(default_factory=dict)
    cron: Annotated[str, Meta(min_length=1, examples=["0 * * * *"], description="Minute, hour, day, month, weekday.")]
    tz: Annotated[str, Meta(examples=["Europe/Berlin"], description="Time zone of `cron` and the pages.")] = "UTC"
    keep: Annotated[int, Meta(ge=1, description="How many runs stay in its folder.")] = 30
    notify: Annotated[tuple[str, ...], Meta(description="Names of receivers.")] = ()
    fail_on: Annotated[FailOn, Meta(description="Verdict from which the exit code is 10.")] = FailOn.FAIL

    def __post_init__(self) -> None:
        if bool(self.notebook) == bool(self.sweep):
            hint = 'write notebook = "..." or sweep = "canary"'
            raise ParameterError("one of notebook and sweep is needed", hint)
        if self.sweep and not self.source:
            raise ParameterError("a sweep needs a source", 'write source = "prod"')
        if self.source and "source" in self.parameters:
            raise ParameterError("source is given twice", "keep one of them")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A report that runs on a timer."""

    name: str
    """Lower-case letters, digits and dashes, 40 at most."""
    notebook: str
    """A name or a path, as of `meshlab report`; empty for a sweep."""
    cron: Cron
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """As typed after ``-p``; ``source`` is one of them, but for a sweep."""
    keep: int = 30
    """How many runs stay in its folder."""
    notify: tuple[Receiver, ...] = ()
    fail_on: FailOn = FailOn.FAIL
    sweep: Sweep | None = None
    """What is asked of every service, instead of a notebook."""

    @property
    def what(self) -> str:
        """The notebook, or the sweep in words."""
        return f"sweep {self.sweep.question} over {self.sweep.over}" if self.sweep else self.notebook


def scheduled(config: Config) -> tuple[Scheduled, ...]:
    """Every report of a configuration, in its order.

    Raises
    ------
    ConfigError
        A key or a value that is not known, two reports of one name, or a receiver that does not exist.
    """
    receivers = {name: _receiver(name, table) for name, table in config.receivers.items()}
    reports: dict[str, Scheduled] = {}
    for number, table in enumerate(config.reports, 1):
        report = _scheduled(table, number, receivers)
        if report.name in reports:
            raise ConfigError(f"two reports are called {report.name}", "give each a name of its own")
        reports[report.name] = report
    return tuple(reports.values())


def named(config: Config, name: str) -> Scheduled:
    """One report by its name.

    Raises
    ------
    ConfigError
        There is none of that name; or as of `scheduled`.
    """
    reports = {report.name: report for report in scheduled(config)}
    if name not in reports:
        hint = suggest(name, reports) if reports else "write [[report]] into meshlab.toml"
        raise ConfigError(f"no report is called {name!r}", hint)
    return reports[name]


def _scheduled(table: Mapping[str, Any], number: int, receivers: Mapping[str, Receiver]) -> Scheduled:
    where = f"report {number} ({table.get('name', 'without a name')})"
    report = convert(Report, table, what=where, error=ConfigError)
    options = {key: table[key] for key in _SweepOptions.__struct_fields__ if key in table}
    if options and not report.sweep:
        raise ConfigError(f"{where} has {next(iter(options))}, which belongs to a sweep", 'write sweep = "canary" too')
    for name in report.notify:
        if name not in receivers:
            hint = suggest(name, receivers) if receivers else "write [notify.NAME] for it"
            raise ConfigError(f"{where} notifies {name!r}, which does not exist", hint)
    # As typed after -p; a sweep has its source apart.
    parameters = {key: str(v).lower() if isinstance(v, bool) else str(v) for key, v in report.parameters.items()}
    if report.source and not report.sweep:
        parameters["source"] = report.source
    return Scheduled(
        report.name,
        report.notebook,
        parse(report.cron, report.tz, where),
        MappingProxyType(parameters),
        report.keep,
        tuple(receivers[name] for name in report.notify),
        report.fail_on,
        Sweep.of(question=report.sweep, source=report.source, **options) if report.sweep else None,
    )


def _receiver(name: str, table: Mapping[str, Any]) -> Receiver:
    where = f"notify.{name}"
    if "name" in table:
        raise ConfigError(f"{where} has an unknown key 'name'", "its table is its name")
    return convert(Receiver, {"name": name, **table}, what=where, error=ConfigError)
