"""Ask a service mesh whether it works.

>>> import meshlab
>>> mesh = meshlab.connect("canary-regression")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from meshlab.errors import (
    BadQuery,
    ConfigError,
    ContractError,
    EngineError,
    Incomplete,
    LabError,
    MeshlabError,
    ParameterError,
    RecordingError,
    Refused,
    ReportError,
    TooManySeries,
    TooMuch,
    Unreachable,
    UnsupportedQuery,
)

if TYPE_CHECKING:
    from meshlab.core.results import Finding as Finding
    from meshlab.core.results import Result as Result
    from meshlab.core.results import Verdict as Verdict
    from meshlab.core.window import Span as Span
    from meshlab.core.window import Window as Window
    from meshlab.questions.base import question as question
    from meshlab.recordings.engine import Recording as Recording
    from meshlab.recordings.importers.run import import_file as import_file
    from meshlab.reports.explorer import explore as explore
    from meshlab.telemetry.dialects.base import Reporter as Reporter
    from meshlab.telemetry.mesh import Mesh as Mesh
    from meshlab.telemetry.record import record as record
    from meshlab.telemetry.source import connect as connect

# Resolved when first used: `import meshlab` brings no pandas.
_HOMES = {
    "Finding": "meshlab.core.results",
    "Mesh": "meshlab.telemetry.mesh",
    "Recording": "meshlab.recordings.engine",
    "Reporter": "meshlab.telemetry.dialects.base",
    "Result": "meshlab.core.results",
    "Span": "meshlab.core.window",
    "Verdict": "meshlab.core.results",
    "Window": "meshlab.core.window",
    "connect": "meshlab.telemetry.source",
    "explore": "meshlab.reports.explorer",
    "import_file": "meshlab.recordings.importers.run",
    "question": "meshlab.questions.base",
    "record": "meshlab.telemetry.record",
}

__version__ = "0.1.0"
__all__ = [
    "BadQuery",
    "ConfigError",
    "ContractError",
    "EngineError",
    "Finding",
    "Incomplete",
    "LabError",
    "Mesh",
    "MeshlabError",
    "ParameterError",
    "Recording",
    "RecordingError",
    "Refused",
    "ReportError",
    "Reporter",
    "Result",
    "Span",
    "TooManySeries",
    "TooMuch",
    "Unreachable",
    "UnsupportedQuery",
    "Verdict",
    "Window",
    "connect",
    "explore",
    "import_file",
    "question",
    "record",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'meshlab' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
