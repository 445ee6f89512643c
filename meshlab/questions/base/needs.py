"""What a question asks of a mesh, and what its tables hold: declared once, used everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Missing
from meshlab.core.subject import Subject
from meshlab.core.window import Window
from meshlab.errors import ContractError
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Where
from meshlab.telemetry.mesh import Answer, Mesh

__all__ = ["Asking", "Code", "Need", "Table", "columns"]

_DTYPES: Final = {
    "text": "str",
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "time": "datetime64[ms, UTC]",
    "any": "object",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked of a mesh, while it is asked.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    settings : QuestionSettings
    subject : Subject or None
        None: all subjects at once.
    block_ms : int
        Length of a block, milliseconds.
    answers : dict of str to Answer or Counts
        What has been answered so far, by the needs' names.
    facts : dict of str to value
        What was found out so far, for later stages and for `Question.facts`.
    """

    mesh: Mesh
    window: Window
    settings: Any
    subject: Subject | None = None
    block_ms: int = 0
    answers: dict[str, Answer | Counts] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> Where:
        """Conditions that keep the subject, or the namespace that the settings name, alone."""
        if self.subject:
            return self.mesh.where(self.subject)
        namespace = getattr(self.settings, "namespace", "")
        return (Condition("destination_namespace", (namespace,)),) if namespace else ()

    def frame(self, name: str) -> pd.DataFrame:
        """What a need was answered; an empty frame where it was not asked."""
        return self.answers[name].frame if name in self.answers else pd.DataFrame()


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that a question asks of a mesh: a frame of its evidence.

    Parameters
    ----------
    ask : str or callable
        A method of `Mesh` that counts in blocks (``request_counts``, ``latency_buckets``, ``durations``), or a function
        of `Asking` to an answer.
    what : str
        What it is, for people: ``requests as the callers' proxies count them``. Empty where nobody misses it.
    remedy : str
        How to switch it on: a key of the dialects' remedies, or a sentence.
    by : sequence of str
        Dimensions, where `ask` is a method's name.
    reporter : Reporter, optional
        The side that counts, where `ask` is a method's name.
    required : bool
        Without it nothing is judged: the verdict is INCONCLUSIVE.
    any_of : str
        Required needs with the same word here stand in for each other: one of them is enough.
    code : str
        Number of the finding that says that it is missing; ``000`` else.
    when : callable, optional
        From the settings to whether it is asked at all.
    subject_only : bool
        Asked only where one subject is asked about.
    """

    ask: str | Callable[[Asking], Answer | Counts]
    what: str = ""
    remedy: str = ""
    by: Sequence[str] = ()
    reporter: Reporter | None = None
    required: bool = False
    any_of: str = ""
    code: str = "000"
    when: Callable[[Any], bool] | None = None
    subject_only: bool = False

    def wanted(self, asking: Asking) -> bool:
        """Whether it is asked here."""
        if self.subject_only and asking.subject is None:
            return False
        return self.when is None or self.when(asking.settings)

    def answer(self, asking: Asking) -> Answer | Counts:
        """Ask the mesh."""
        if not isinstance(self.ask, str):
            return self.ask(asking)
        method: Callable[..., Answer | Counts] = getattr(asking.mesh, self.ask)
        return method(asking.window, tuple(self.by), asking.where, reporter=self.reporter, block_ms=asking.block_ms)

    def missing(self, mesh: Mesh) -> Missing:
        """What to say where the mesh does not export it."""
        return Missing(self.what, self.remedy if " " in self.remedy else mesh.remedy(self.remedy))


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for, in the documents.

    Parameters
    ----------
    finding : str
        What it says.
    cause : str
        What is behind it most of the time.
    remedy : str
        What to do.
    """

    finding: str
    cause: str = ""
    remedy: str = ""


def columns(text: str, *names: str) -> dict[str, str]:
    """Columns of a `Table` that hold the same."""
    return dict.fromkeys(names, text)


class Table:
    """The schema of a result's table: the same columns in the same order, whether it is empty or full.

    Parameters
    ----------
    **columns : str
        What each column holds: ``text``, ``int``, ``float``, ``bool``, ``time`` or ``any``, and after a colon what it
        means, with its unit: ``"float: times the budget"``.

    Raises
    ------
    ContractError
        A column holds something else.
    """

    def __init__(self, **columns: str) -> None:
        parts = {name: text.partition(":") for name, text in columns.items()}
        unknown = sorted(name for name, (kind, _, _) in parts.items() if kind.strip() not in _DTYPES)
        if unknown:
            raise ContractError(f"columns {', '.join(unknown)} hold none of {', '.join(_DTYPES)}")
        self.dtypes: Mapping[str, str] = {name: _DTYPES[kind.strip()] for name, (kind, _, _) in parts.items()}
        self.meanings: Mapping[str, str] = {name: rest.strip() for name, (_, _, rest) in parts.items()}

    def empty(self) -> pd.DataFrame:
        """The table without a row."""
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in self.dtypes.items()})

    def of(self, rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
        """A table of rows, each with a value for every column."""
        return self.pick(pd.DataFrame(rows, columns=list(self.dtypes)))

    def pick(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame's columns that are in this schema, in its order and of its types; rows are numbered anew."""
        if frame.empty:
            return self.empty()
        names = list(self.dtypes)
        ordered = frame if list(frame.columns) == names else frame[names]
        given = dict(zip(names, map(str, ordered.dtypes), strict=True))
        changed = {name: dtype for name, dtype in self.dtypes.items() if given[name] != dtype}
        ordered = ordered.astype(changed) if changed else ordered
        numbered = isinstance(ordered.index, pd.RangeIndex) and ordered.index.start == 0 and ordered.index.step == 1
        return ordered if numbered else ordered.reset_index(drop=True)

    def shaped(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """A judge's frame in this schema.

        Raises
        ------
        ContractError
            It has other columns.
        """
        given, wanted = set(frame.columns), set(self.dtypes)
        if len(frame) and given != wanted:
            lacking, more = sorted(wanted - given), sorted(map(str, given - wanted))
            raise ContractError(f"table {name} lacks the columns {lacking} of its schema, and has {more} beside it")
        return self.pick(frame)
