"""The advised policy as YAML: a proposal to read, never something that is applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import yaml

from meshlab.core.results import Result
from meshlab.core.sanitize import plain
from meshlab.display.preformatted import Text
from meshlab.questions.retries.simulate.policy import Concurrency, Hop
from meshlab.questions.retries.tables import TABLES
from meshlab.questions.retries.whatif import WhatIf

__all__ = ["Proposal", "proposals", "propose", "proposed"]

# RFC 1123 labels, as Kubernetes takes them for Services and namespaces.
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_HEAD: Final = "# A proposal of meshlab. Read it, and compare it with what is there, before it is applied.\n"
_MARK: Final = {"meshlab.io/proposal": "true"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What may be applied.

    Attributes
    ----------
    istio, gateway : str
        YAML of a DestinationRule and a VirtualService, and of an HTTPRoute; empty where none can be written.
    notes : tuple of str
        What was left out, and why; what the YAML cannot express. Harmless to print.
    """

    istio: str
    gateway: str
    notes: tuple[str, ...]


def propose(service: str, namespace: str, hop: Hop, *, port: int = 80) -> Proposal:
    """Write a policy for the callers of a service.

    Parameters
    ----------
    service, namespace : str
        Of a Kubernetes Service. Names that Kubernetes does not know are left out, not repaired: the object of another
        name is another object.
    hop : Hop
    port : int

    Returns
    -------
    Proposal
    """
    wrong = [
        f"The {what} {plain(name)[:80]!r} is not a valid Kubernetes name, so no YAML is proposed."
        for what, name in (("service", service), ("namespace", namespace))
        if not _LABEL.fullmatch(name)
    ]
    if not 0 < port < 65536:
        wrong.append(f"The port {port} is not valid, so no YAML is proposed.")
    if wrong:
        return Proposal("", "", tuple(wrong))
    notes = []
    http: dict[str, Any] = {}
    policy: dict[str, Any] = {"connectionPool": {"http": http}}
    if isinstance(hop.limit, Concurrency):
        # A budget that stands alone is refused, so the static limit stands beside it: the budget goes before.
        http["maxRetries"] = max(round(hop.limit.least), 1)
        if hop.limit.percent:
            least = max(round(hop.limit.least), 0)
            policy["retryBudget"] = {"percent": hop.limit.percent, "minRetryConcurrency": least}
            notes.append("`retryBudget` needs a release of Istio that has it: look for `retry_budget` in the proxy.")
    elif hop.limit is not None:
        notes.append(f"Istio and Gateway API have no {type(hop.limit).__name__} limits: left out.")
    host = f"{service}.{namespace}.svc.cluster.local"
    about = {"name": service, "namespace": namespace, "annotations": dict(_MARK)}
    objects = []
    if http:
        rule = {"host": host, "trafficPolicy": policy}
        objects.append(_object("networking.istio.io/v1", "DestinationRule", about, rule))
    route: dict[str, Any] = {"route": [{"destination": {"host": host, "port": {"number": port}}}]}
    if hop.route_s:
        route["timeout"] = _duration(hop.route_s)
    # Zero is written: without an entry Istio makes two retries.
    route["retries"] = {"attempts": hop.retries}
    if hop.retries:
        route["retries"] |= {"retryOn": "connect-failure,refused-stream,unavailable,cancelled,503"}
        if hop.per_try_s:
            route["retries"]["perTryTimeout"] = _duration(hop.per_try_s)
    objects.append(_object("networking.istio.io/v1", "VirtualService", about, {"hosts": [host], "http": [route]}))
    notes.append("Merge this into an existing VirtualService or DestinationRule of that host: two of them conflict.")
    parent = {"group": "", "kind": "Service", "name": service, "port": port}
    times = {"request": hop.route_s, "backendRequest": hop.per_try_s}
    inner: dict[str, Any] = {"backendRefs": [{"name": service, "port": port}]}
    if timeouts := {name: _duration(seconds) for name, seconds in times.items() if seconds}:
        inner["timeouts"] = timeouts
    if hop.retries:
        inner["retry"] = {"attempts": hop.retries, "codes": [503], "backoff": _duration(hop.back_off_s or 0.025)}
        notes.append("`HTTPRoute.rules.retry` is experimental in Gateway API, and has no budget of its own.")
    gateway = _object("gateway.networking.k8s.io/v1", "HTTPRoute", about, {"parentRefs": [parent], "rules": [inner]})
    return Proposal(_written(*objects), _written(gateway), tuple(notes))


def proposals(answer: WhatIf) -> pd.DataFrame:
    """The advised policy as YAML, a row a hop: the result's table ``proposal``."""
    if answer.advised is None or answer.effective is None:
        return pd.DataFrame()
    rows = []
    for hop, row in zip(answer.advised.hops, answer.effective.table.itertuples(index=False), strict=True):
        service = str(row.destination_service)
        made = propose(service, str(row.destination_namespace), hop)
        rows.append((plain(service), answer.advised.name, made.istio, made.gateway, " ".join(made.notes)))
    return pd.DataFrame(rows, columns=list(TABLES["proposal"].dtypes))


def proposed(result: Result) -> Text:
    """The proposal for all hops as one text of YAML, for Istio; empty where there is none.

    Parameters
    ----------
    result : Result
        Of the retry question.
    """
    return Text("".join(result.tables["proposal"]["istio"]))


def _object(version: str, kind: str, about: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": dict(about), "spec": dict(spec)}


def _written(*objects: dict[str, Any]) -> str:
    # safe_dump marks repeated values by an anchor, which nobody wants to read.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    return _HEAD + yaml.dump_all(objects, Dumper=dumper, sort_keys=False, explicit_start=True)


def _duration(seconds: float) -> str:
    ms = max(round(seconds * 1000), 1)
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"
