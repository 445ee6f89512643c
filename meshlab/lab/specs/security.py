"""Who may speak to whom and how: TLS modes, authorization, and the life of certificates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meshlab.errors import ParameterError
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.tables import Table, unknown

__all__ = ["Authorization", "Certificates", "Mode", "Rule", "Security", "security"]


class Mode(StrEnum):
    """What a workload's inbound side accepts."""

    PERMISSIVE = "permissive"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all that it names must hold; an empty list is no condition.

    Parameters
    ----------
    accounts : tuple of str
        Callers' service accounts.
    methods, paths : tuple of str
        HTTP methods, and prefixes of paths.
    """

    accounts: tuple[str, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who may call a workload. Where there is one, everything that no rule allows is denied.

    Parameters
    ----------
    workload : str
    allow : tuple of Rule or None
        Enforced; None when nothing is.
    shadow : tuple of Rule or None
        Counted and not enforced: a dry run.
    """

    workload: str
    allow: tuple[Rule, ...] | None
    shadow: tuple[Rule, ...] | None


@dataclass(frozen=True, slots=True)
class Certificates:
    """The life of the workloads' certificates.

    Parameters
    ----------
    lifetime_s : float
        From issue to end.
    rotate_after : float
        Share of the lifetime after which a new one is issued, 0..1; 0 for never.
    """

    lifetime_s: float
    rotate_after: float


@dataclass(frozen=True, slots=True)
class Security:
    """All of it.

    Parameters
    ----------
    mode : Mode
        Of every workload that has none of its own.
    modes : tuple of (str, Mode)
        By workload.
    authorizations : tuple of Authorization
    certificates : Certificates
    """

    mode: Mode
    modes: tuple[tuple[str, Mode], ...]
    authorizations: tuple[Authorization, ...]
    certificates: Certificates

    def mode_of(self, workload: str) -> Mode:
        """What a workload's inbound side accepts."""
        return dict(self.modes).get(workload, self.mode)

    def authorization(self, workload: str) -> Authorization | None:
        """Who may call a workload, if anything is said of it."""
        return next((found for found in self.authorizations if found.workload == workload), None)


def security(table: Table, workloads: Iterable[WorkloadSpec]) -> Security:
    """Read ``[security]``.

    Raises
    ------
    ParameterError
        An unknown workload, account, mode or key.
    """
    workloads = tuple(workloads)
    inside = [spec.name for spec in workloads if spec.sidecar]
    modes, allowed, certificates = table.table("modes"), table.table("authorization"), table.table("certificates")
    for name in (*modes.keys(), *allowed.keys()):
        if name not in inside:
            raise unknown("workload with a sidecar", name, inside)
    found = Security(
        mode=_mode(table, "mode"),
        modes=tuple((name, _mode(modes, name)) for name in modes.keys()),  # noqa: SIM118 - a Table is no mapping
        authorizations=tuple(
            _authorization(name, allowed.table(name), workloads)
            for name in allowed.keys()  # noqa: SIM118
        ),
        certificates=Certificates(
            lifetime_s=certificates.number("lifetime_s", 30 * 86_400, least=10),
            rotate_after=certificates.number("rotate_after", 0, most=0.99),
        ),
    )
    certificates.close()
    table.close()
    return found


def _mode(table: Table, key: str) -> Mode:
    text = table.text(key, Mode.PERMISSIVE.value)
    try:
        return Mode(text)
    except ValueError:
        raise unknown("mode", text, (mode.value for mode in Mode)) from None


def _authorization(workload: str, table: Table, workloads: tuple[WorkloadSpec, ...]) -> Authorization:
    accounts = {spec.service_account for spec in workloads}
    found = Authorization(workload, _rules(table, "allow", accounts), _rules(table, "shadow", accounts))
    table.close()
    if found.allow is None and found.shadow is None:
        raise ParameterError(f"security.authorization.{workload} says nothing", "give it allow or shadow rules")
    return found


def _rules(table: Table, key: str, accounts: set[str]) -> tuple[Rule, ...] | None:
    if not table.has(key):
        return None
    return tuple(_rule(entry, accounts) for entry in table.tables(key))


def _rule(table: Table, accounts: set[str]) -> Rule:
    found = Rule(table.names("accounts"), table.names("methods"), table.names("paths"))
    table.close()
    for account in found.accounts:
        if account not in accounts:
            raise unknown("service account", account, accounts)
    return found
