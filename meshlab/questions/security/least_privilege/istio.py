"""A proposal as Istio's AuthorizationPolicy, to be read by people before it is applied."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from meshlab.display.preformatted import Text
from meshlab.errors import ParameterError
from meshlab.questions.security.least_privilege.names import comment, is_label_key, is_label_value
from meshlab.questions.security.least_privilege.proposal import Grant, Proposal

__all__ = ["Selector", "policies"]

_TITLE: Final = "# A proposal, from observed traffic: review it before you apply it."
_DRY: Final = "# A caller rarer than the window is not in it; as a dry run it denies nothing yet."
_ENFORCED: Final = "# A caller rarer than the window is not in it, and is denied as soon as this is applied."


@dataclass(frozen=True, slots=True)
class Selector:
    """How a policy finds a workload's pods.

    Parameters
    ----------
    label : str
        ``app``, or ``service.istio.io/canonical-name``, or what the pods have.
    by_service : bool
        The label's value is the service under which the workload was called, where there is exactly one; otherwise,
        and without this, it is the workload's name.
    """

    label: str = "app"
    by_service: bool = True

    def __post_init__(self) -> None:
        if not is_label_key(self.label):
            raise ParameterError(f"{self.label!r} is no label's key", "name the pods' label, such as app")

    def value(self, grant: Grant) -> str:
        """The label's value for what a grant protects; empty where it cannot be one."""
        one = self.by_service and len(grant.services) == 1
        found = grant.services[0] if one else grant.workload
        return found if is_label_value(found) else ""


def policies(
    proposal: Proposal, *, selector: Selector | None = None, dry_run: bool = True, deny_rest: bool = False
) -> Text:
    """Write the policies.

    Parameters
    ----------
    proposal : Proposal
    selector : Selector, optional
    dry_run : bool
        Nothing is denied yet: Istio counts what would be.
    deny_rest : bool
        Also a policy for each namespace that allows nothing, so that workloads without one are closed.

    Returns
    -------
    Text
        YAML documents, one a workload; a text that notebooks show in its lines.
    """
    selector = selector or Selector()
    lines = [_TITLE, _DRY if dry_run else _ENFORCED]
    for left in proposal.leftovers:
        who = f"{left.source or 'unknown'} ({left.principal or 'no identity'})"
        lines.append(comment(f"no rule: {who} -> {left.namespace}/{left.workload}"))
        lines.append(comment(f"  {left.why}; {left.traffic}"))
    lines += [comment(f"no policy: {ns}/{workload}, no identified caller") for ns, workload in proposal.unprotected]
    namespaces = []
    for namespace, workload, grants in proposal.targets():
        value = selector.value(grants[0])
        if not value:
            lines.append(comment(f"no policy: {namespace}/{workload}, its label {selector.label} cannot be written"))
            continue
        namespaces.append(namespace)
        lines += _head(f"{workload}-callers", namespace, dry_run=dry_run)
        lines += ["spec:", "  selector:", "    matchLabels:", f"      {_quoted(selector.label)}: {_quoted(value)}"]
        lines += ["  action: ALLOW", "  rules:"]
        for grant in grants:
            lines.append("  " + comment(grant.traffic))
            lines += ["  - from:", "    - source:", f"        principals: [{_quoted(grant.principal)}]"]
    if deny_rest:
        for namespace in sorted(set(namespaces)):
            lines += [*_head("allow-nothing", namespace, dry_run=dry_run), "spec: {}"]
    return Text("\n".join(lines) + "\n")


def _head(name: str, namespace: str, *, dry_run: bool) -> list[str]:
    lines = ["---", "apiVersion: security.istio.io/v1", "kind: AuthorizationPolicy", "metadata:"]
    lines += [f"  name: {_quoted(name)}", f"  namespace: {_quoted(namespace)}"]
    return [*lines, "  annotations:", '    istio.io/dry-run: "true"'] if dry_run else lines


def _quoted(text: str) -> str:
    """Always in quotes: a workload may be called null, or 1e3."""
    return json.dumps(text)
