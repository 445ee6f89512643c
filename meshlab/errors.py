"""Every error that meshlab raises on purpose.

::

    MeshlabError                      exit code 3
    |-- ConfigError                   2   meshlab.toml, a profile or MESHLAB_* is wrong
    |-- ParameterError                2   something that the caller typed is wrong
    |-- EngineError                   3   a telemetry store did not answer
    |   |-- Unreachable                   nothing answered, or not in time
    |   |-- Refused                       it answered, and said no
    |   |   `-- TooMuch                   the answer or its making is over a limit: ask for less at once
    |   |       `-- TooManySeries         ... and a shorter time would not help
    |   |-- BadQuery                      it does not understand the query
    |   |-- UnsupportedQuery              valid PromQL that the embedded evaluator does not know
    |   `-- Incomplete                    a part of the answer is missing
    |-- RecordingError                3   a folder is not a recording, or is damaged
    |-- ReportError                   3   a notebook did not run to its end
    |-- LabError                      3   the lab cannot start or had to stop
    `-- ContractError                 3   a broken promise inside meshlab: a bug

Each message says what failed, on what, and what to try, in one sentence that needs no traceback.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
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
    "TooManySeries",
    "TooMuch",
    "Unreachable",
    "UnsupportedQuery",
    "error_named",
    "without_credentials",
]


CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Newlines, terminal escapes and bidirectional overrides, which come with labels, names of files and answers."""


_CREDENTIALS: Final = re.compile(r"""[^\s'"/:@]+:[^\s'"]*@(?=[\w\[.-])""")
"""A user with a password before a host, whatever stands before them: a scheme in any spelling, or none."""


class MeshlabError(Exception):
    """Base of all errors that meshlab raises on purpose.

    Parameters
    ----------
    what : str
        What failed, and on what.
    hint : str
        What to try; appended to the message after a semicolon.

    Both become one printable line, without the user and the password of an address that is quoted in it: whoever shows
    an error, be it Python itself, need not mind.
    """

    exit_code = 3

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = (without_credentials(CONTROL.sub(" ", text)) for text in (what, hint))
        super().__init__(f"{self.what}; {self.hint}" if hint else self.what)


class ConfigError(MeshlabError):
    """meshlab.toml, a profile or a MESHLAB_* variable is wrong."""

    exit_code = 2


class ParameterError(MeshlabError):
    """Something that the caller typed is wrong: a name, a value, a type, a time."""

    exit_code = 2


class EngineError(MeshlabError):
    """A telemetry store did not give a whole answer."""


class Unreachable(EngineError):
    """Nothing answered at the address, or not in time."""


class Refused(EngineError):
    """The store answered and said no: authentication, a limit, not a Prometheus."""


class TooMuch(Refused):
    """The answer, or what it takes to make it, is over a limit, the store's or meshlab's own: ask for less at once."""


class TooManySeries(TooMuch):
    """More series, or more labels, than memory should hold: a shorter time does not help, aggregating does."""


class BadQuery(EngineError):
    """The store does not understand the query."""


class UnsupportedQuery(EngineError):
    """Valid PromQL with a construct that the embedded evaluator does not know."""


class Incomplete(EngineError):
    """A part of the answer is missing."""


class RecordingError(MeshlabError):
    """A folder is not a recording, or a file of it is damaged."""


class ReportError(MeshlabError):
    """A notebook did not run to its end."""


class LabError(MeshlabError):
    """The lab cannot start, or had to stop."""


class ContractError(MeshlabError):
    """A promise inside meshlab is broken: a bug, to be reported."""


def without_credentials(text: str) -> str:
    """The text without what stands before the ``@`` of addresses in it."""
    return _CREDENTIALS.sub("***@", text) if "@" in text else text


def error_named(name: str) -> type[MeshlabError] | None:
    """Find an error class by its name, as a notebook kernel reports it.

    Returns
    -------
    type or None
        None when the name is not one of meshlab's errors.
    """
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, MeshlabError) else None
