"""A page with controls: source, question, service, arms and window, over the calls that a sweep makes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshlab.core import sanitize
from meshlab.core.results import NOT_MEASURED, SHAPES, Result, Verdict
from meshlab.display.figures import picture
from meshlab.display.result import to_html
from meshlab.errors import MeshlabError, ParameterError
from meshlab.questions.base import Case, installed
from meshlab.questions.base import question as named
from meshlab.reports.run.notebooks import available
from meshlab.telemetry.source import connect, list_sources

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explorer", "explore"]

_ARMS = ("baseline", "canary")


def explore(
    source: str,
    *,
    question: str = "canary",
    service: str = "",
    baseline: str = "",
    canary: str = "",
    start: str = "",
    end: str = "",
    cwd: Path | None = None,
) -> Explorer:
    """Look at one service after the other, in JupyterLab.

    The mesh is asked once for all services; another service is judged from the same evidence.

    Parameters
    ----------
    source : str
        As in `meshlab.connect`.
    question : str
        One that can be asked of every service: ``canary`` or ``scaling``.
    service : str
        Which one to begin with; the first when empty.
    baseline, canary : str
        Versions to compare; empty: found by themselves where they can be. For questions about a canary.
    start, end : str
        RFC 3339, unix seconds or ``-30m``; as in the notebooks.
    cwd : Path, optional
        Where profiles, recordings and notebooks are looked for.

    Returns
    -------
    Explorer
        Shows itself.

    Raises
    ------
    ParameterError
        The package ipywidgets is missing, or no such question can be asked of every service. What is wrong with the
        other choices is said on the page: they can be made again.
    """
    asked = {"source": source, "question": question, "service": service, "start": start, "end": end}
    return Explorer({**asked, "baseline": baseline, "canary": canary}, (cwd or Path.cwd()).resolve())


class Explorer:
    """Controls, and the verdict that follows from them; see `explore`.

    Attributes
    ----------
    source, question, service, baseline, canary, start, end : ipywidgets.Widget
        Each has a ``value``; another value is judged at once.
    result : Result or None
        What is shown; None where there is nothing to judge.
    word : str
        Its verdict, ``NOT_MEASURED``, or ``ERROR``.
    text : str
        The same as text, with the reason where there is no result.
    """

    def __init__(self, asked: Mapping[str, str], cwd: Path) -> None:
        try:
            widgets = import_module("ipywidgets")
        except ModuleNotFoundError:
            raise ParameterError("the controls need the package ipywidgets", 'pip install "meshlab[jupyter]"') from None
        self._cwd = cwd
        named(asked["question"])
        self.result: Result | None = None
        self.word, self.text = NOT_MEASURED, ""
        self._asked: tuple[object, ...] = ()
        self._cases: dict[str, Case] = {}
        self._filling = False

        def text(name: str, hint: str) -> Any:
            return widgets.Text(asked[name], description=name, placeholder=hint, continuous_update=False)

        self.source = widgets.Combobox(
            value=asked["source"], options=list_sources(cwd), description="source", continuous_update=False
        )
        self.question = widgets.Dropdown(options=installed(), value=asked["question"], description="question")
        self.service = widgets.Dropdown(options=[], description="service")
        self.baseline, self.canary = text("baseline", "found by itself"), text("canary", "found by itself")
        self.start, self.end = text("start", "-30m, or all"), text("end", "now, or the end")
        self._verdict, self._figures = widgets.HTML(), widgets.HTML()
        rows = [(self.source, self.question, self.service), (self.baseline, self.canary), (self.start, self.end)]
        self._page = widgets.VBox([*map(widgets.HBox, rows), self._verdict, self._figures])
        self._ask_anew(asked["service"])
        for control in (self.source, self.question, self.baseline, self.canary, self.start, self.end):
            control.observe(lambda _: None if self._filling else self._ask_anew(), "value")
        self.service.observe(lambda _: None if self._filling else self._show(), "value")

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **how: object) -> dict[str, object]:
        shown: dict[str, object] = dict(self._page._repr_mimebundle_(**how))
        return {**shown, "text/plain": self.text}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The frames behind what is shown; none where there is no result."""
        return self.result.tables if self.result else {}

    def _given(self) -> dict[str, str]:
        """The parameters that were typed, of those that the question's notebook has."""
        listed = [info for info in available(self._cwd) if info.question == self.question.value]
        names = {p.name for p in listed[0].parameters} if listed else set()
        arms: dict[str, str] = {name: getattr(self, name).value for name in _ARMS}
        return {name: value for name, value in arms.items() if value.strip() and name in names}

    def _ask_anew(self, service: str = "") -> None:
        """Ask the mesh, unless only what the judge takes has changed; then judge the same service again."""
        before = service or str(self.service.value or "")
        try:
            question = named(self.question.value)
            settings = question.settings_of_all(**self._given())
            asked = (self.source.value, self.question.value, self.start.value, self.end.value, settings)
            if asked != self._asked:
                mesh = connect(self.source.value.strip(), cwd=self._cwd)
                window = mesh.window(self.start.value, self.end.value)
                self._evidence = question.collect(mesh, window, settings)
                self._asked = asked
            cases = {case.about: case for case in question.cases(self._evidence, settings)}
        except MeshlabError as error:
            self._asked, self._cases = (), {}
            self._explain("ERROR", str(error))
            if "@" in self.source.value:
                # A control's value is saved with the notebook, and an address with a user may hold a password.
                self._filling, self.source.value, self._filling = True, "", False
            return
        self._cases = cases
        wanted = [key for key, case in cases.items() if case.subject and before in (key, case.subject.service)]
        self._filling = True  # with other options, the first one is chosen, and then the right one
        self.service.options = [(sanitize.plain(key), key) for key in cases]
        self.service.value = wanted[0] if wanted else next(iter(cases), None)
        self._filling = False
        self._show()

    def _show(self) -> None:
        case = self._cases.get(str(self.service.value or ""))
        if case is None:
            if self._asked:
                self._explain(NOT_MEASURED, "no service is seen in this window")
            return
        if case.unjudged:
            self._explain(Verdict.INCONCLUSIVE.value if case.due else NOT_MEASURED, f"{case.subject}: {case.unjudged}")
            return
        question = named(self.question.value)
        try:
            result = question.answer(case.evidence, case.settings, case.subject)
            figures = question.draw(result, case.settings)
        except MeshlabError as error:
            self._explain("ERROR", str(error))
            return
        self.result, self.word, self.text = result, result.verdict.value, result.to_text()
        self._verdict.value = to_html(result.to_dict())
        self._figures.value = "".join(picture(figure.png, figure.alt) for figure in figures)

    def _explain(self, word: str, why: str) -> None:
        """Say why there is no result."""
        self.result, self.word = None, word
        shape = SHAPES.get(word, "‼")
        self.text = f"{shape} {word.replace('_', ' ')}  {sanitize.plain(why)}"
        self._verdict.value = (
            f'<p role="status"><strong>{shape} {word.replace("_", " ")}</strong><br>{sanitize.html(why)}</p>'
        )
        self._figures.value = ""
