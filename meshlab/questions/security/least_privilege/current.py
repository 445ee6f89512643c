"""The policies in force, as YAML tells them: telemetry does not know them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meshlab.core.documents import Unreadable, yaml_documents
from meshlab.errors import ParameterError

__all__ = ["Permitted", "read"]


@dataclass(frozen=True, slots=True)
class Permitted:
    """Whom one AuthorizationPolicy with the action ALLOW lets in.

    Parameters
    ----------
    policy, namespace : str
    value : str
        Of the label by which it finds workloads; empty: all of the namespace.
    other : bool
        It finds workloads by other labels, which telemetry does not have.
    principals, namespaces : tuple of str
        Whom it allows, wildcards included.
    anyone : bool
        A rule of it names nobody, or limits callers by what telemetry does not have.
    dry_run : bool
        It is not enforced.
    """

    policy: str
    namespace: str
    value: str
    other: bool
    principals: tuple[str, ...]
    namespaces: tuple[str, ...]
    anyone: bool
    dry_run: bool


def read(current: str, label: str) -> tuple[Permitted, ...]:
    """Read AuthorizationPolicies; those that deny let nobody in and are left out.

    Parameters
    ----------
    current : str
        YAML documents, or a list as kubectl writes it.
    label : str
        The key by which policies find workloads.

    Raises
    ------
    ParameterError
        The text is no YAML.
    """
    try:
        documents = yaml_documents(current)
    except Unreadable as error:
        raise ParameterError(
            f"the policy is no YAML: {error}", "give kubectl get authorizationpolicy -o yaml"
        ) from None
    return tuple(_permitted(one, label) for document in documents for one in _policies(document))


def _policies(document: Any) -> Iterator[Any]:
    for one in _list(_at(document, "items")) or [document]:
        if _at(one, "kind") == "AuthorizationPolicy" and _at(one, "spec", "action") in (None, "ALLOW"):
            yield one


def _permitted(one: Any, label: str) -> Permitted:
    labels = _at(one, "spec", "selector", "matchLabels")
    value = _at(labels, label)
    principals: list[str] = []
    namespaces: list[str] = []
    anyone = False
    for rule in _list(_at(one, "spec", "rules")):
        callers = [_at(entry, "source") for entry in _list(_at(rule, "from"))]
        anyone |= not callers
        for source in callers:
            mine = _list(_at(source, "principals"))
            places = _list(_at(source, "namespaces"))
            principals += map(str, mine)
            # Both together are narrower than either: the account is the narrower one.
            namespaces += [] if mine else map(str, places)
            anyone |= not mine and not places
    return Permitted(
        policy=str(_at(one, "metadata", "name")),
        namespace=str(_at(one, "metadata", "namespace")),
        value=str(value or ""),
        other=bool(labels) and value is None,
        principals=tuple(principals),
        namespaces=tuple(namespaces),
        anyone=anyone,
        dry_run=str(_at(one, "metadata", "annotations", "istio.io/dry-run")).lower() == "true",
    )


def _at(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
