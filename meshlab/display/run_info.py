"""What ran: versions and queries, for the foot of a notebook."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

from meshlab.core import sanitize
from meshlab.core.evidence import Evidence

__all__ = ["RunInfo", "run_info"]

_SHOWN = ("meshlab", "pandas", "numpy", "scipy")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Versions, and the queries that the evidence came from."""

    versions: tuple[tuple[str, str], ...]
    queries: tuple[tuple[str, str, int, bool, str], ...]
    """Frame, PromQL, samples, whether the answer was whole, and where a person looks at the query."""

    def __repr__(self) -> str:
        lines = [f"{name} {number}" for name, number in self.versions]
        lines += [f"{name}: {promql} ({got:,} samples)" for name, promql, got, *_ in self.queries]
        return "\n".join(sanitize.plain(line) for line in lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left">{sanitize.html(name)}</td>'
            f'<td style="text-align:left">{_linked(promql, link)}</td>'
            f"<td>{got:,}</td><td>{'whole' if whole else 'incomplete'}</td></tr>"
            for name, promql, got, whole, link in self.queries
        )
        versions = ", ".join(f"{sanitize.html(name)} {sanitize.html(number)}" for name, number in self.versions)
        return (
            f"<p>{versions}</p><table><caption>Queries</caption><thead><tr>"
            '<th scope="col">frame</th><th scope="col">query</th><th scope="col">samples</th>'
            f'<th scope="col">answer</th></tr></thead><tbody>{rows}</tbody></table>'
        )


def _linked(promql: str, link: str) -> str:
    code = f"<code>{sanitize.html(promql)}</code>"
    return f'<a href="{sanitize.html(link)}">{code}</a>' if link.startswith(("http://", "https://")) else code


def run_info(evidence: Evidence) -> RunInfo:
    """Say what ran, from the evidence and the installed packages.

    Returns
    -------
    RunInfo
        Shows itself as text and as HTML.
    """
    versions = [("Python", platform.python_version()), *((name, version(name)) for name in _SHOWN)]
    queries = [(name, q.promql, q.points_got, q.complete, q.link) for name, q in evidence.queries.items()]
    return RunInfo(tuple(versions), tuple(queries))
