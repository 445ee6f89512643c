"""Ask a service mesh whether it works.

>>> import meshlab
>>> mesh = meshlab.connect("canary-regression")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshlab.errors import BadQuery as BadQuery
    from meshlab.errors import ConfigError as ConfigError
    from meshlab.errors import ContractError as ContractError
    from meshlab.errors import EngineError as EngineError
    from meshlab.errors import Incomplete as Incomplete
    from meshlab.errors import LabError as LabError
    from meshlab.errors import MeshlabError as MeshlabError
    from meshlab.errors import ParameterError as ParameterError
    from meshlab.errors import RecordingError as RecordingError
    from meshlab.errors import Refused as Refused
    from meshlab.errors import ReportError as ReportError
    from meshlab.errors import Unreachable as Unreachable
    from meshlab.errors import UnsupportedQuery as UnsupportedQuery
    from meshlab.results import Finding as Finding
    from meshlab.results import Result as Result
    from meshlab.results import Verdict as Verdict
    from meshlab.source import connect as connect
    from meshlab.window import Window as Window

# Resolved when first used, so that `import meshlab` costs nothing.
_HOMES = {
    "connect": "meshlab.source",
    "Finding": "meshlab.results",
    "Result": "meshlab.results",
    "Verdict": "meshlab.results",
    "Window": "meshlab.window",
    **dict.fromkeys(
        (
            "BadQuery",
            "ConfigError",
            "ContractError",
            "EngineError",
            "Incomplete",
            "LabError",
            "MeshlabError",
            "ParameterError",
            "RecordingError",
            "Refused",
            "ReportError",
            "Unreachable",
            "UnsupportedQuery",
        ),
        "meshlab.errors",
    ),
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
    "MeshlabError",
    "ParameterError",
    "RecordingError",
    "Refused",
    "ReportError",
    "Result",
    "Unreachable",
    "UnsupportedQuery",
    "Verdict",
    "Window",
    "connect",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'meshlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
