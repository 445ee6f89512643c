"""A page with controls: source, question, service, window and settings, over the calls that a sweep makes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshlab.core import sanitize
from meshlab.core.declarations import Setting, describe
from meshlab.core.results import NOT_MEASURED, SHAPES, Result, Verdict
from meshlab.core.suggest import suggest
from meshlab.display.figures import picture
from meshlab.display.result import to_html
from meshlab.errors import MeshlabError, ParameterError
from meshlab.questions.base import Case, installed
from meshlab.questions.base import question as named
from meshlab.telemetry.source import connect, list_sources

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explorer", "explore"]


def explore(
    source: str,
    *,
    question: str = "canary",
    service: str = "",
    start: str = "",
    end: str = "",
    cwd: Path | None = None,
    **settings: Any,
) -> Explorer:
    """Look at one service after the other, in JupyterLab.

    The mesh is asked once for all services; another service is judged from the same evidence.

    Parameters
    ----------
    source : str
        As in `meshlab.connect`.
    question : str
        One of those that are installed.
    service : str
        Which one to begin with; the first when empty.
    start, end : str
        RFC 3339, unix seconds or ``-30m``; as in the notebooks.
    cwd : Path, optional
        Where profiles and recordings are looked for.
    **settings
        Of the question, such as ``baseline="v1"``; each has a control.

    Returns
    -------
    Explorer
        Shows itself.

    Raises
    ------
    ParameterError
        The package ipywidgets is missing, or there is no such question or setting. What is wrong with the other choices
        is said on the page: they can be made again.
    """
    asked = {"source": source, "question": question, "service": service, "start": start, "end": end}
    return Explorer(asked, settings, (cwd or Path.cwd()).resolve())


class Explorer:
    """Controls, and the verdict that follows from them; see `explore`.

    Attributes
    ----------
    source, question, service, start, end : ipywidgets.Widget
        Each has a ``value``; another value is judged at once.
    settings : dict of str to ipywidgets.Widget
        A control for each setting of the question; also an attribute by its name.
    result : Result or None
        What is shown; None where there is nothing to judge.
    word : str
        Its verdict, ``NOT_MEASURED``, or ``ERROR``.
    text : str
        The same as text, with the reason where there is no result.
    """

    def __init__(self, asked: Mapping[str, str], given: Mapping[str, Any], cwd: Path) -> None:
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

        self._widgets = widgets

        def text(name: str, hint: str) -> Any:
            return widgets.Text(asked[name], description=name, placeholder=hint, continuous_update=False)

        self.source = widgets.Combobox(
            value=asked["source"], options=list_sources(cwd), description="source", continuous_update=False
        )
        self.question = widgets.Dropdown(options=installed(), value=asked["question"], description="question")
        self.service = widgets.Dropdown(options=[], description="service")
        self.start, self.end = text("start", "-30m, or all"), text("end", "now, or the end")
        self._verdict, self._figures = widgets.HTML(), widgets.HTML()
        self.settings: dict[str, Any] = {}
        self._first, self._more = widgets.HBox(), widgets.Accordion(titles=("More settings",))
        rows = map(widgets.HBox, ((self.source, self.question, self.service), (self.start, self.end)))
        self._page = widgets.VBox([*rows, self._first, self._more, self._verdict, self._figures])
        self._make_settings(given)
        self._ask_anew(asked["service"])
        for control in (self.source, self.start, self.end):
            control.observe(lambda _: None if self._filling else self._ask_anew(), "value")
        self.question.observe(lambda _: self._ask_another(), "value")
        self.service.observe(lambda _: None if self._filling else self._show(), "value")

    def __getattr__(self, name: str) -> Any:
        """The control of a setting, by the setting's name."""
        if name != "settings" and name in self.settings:
            return self.settings[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _make_settings(self, given: Mapping[str, Any]) -> None:
        """A control for each setting of the question; those that its notebook gives an example of stand in the open."""
        question = named(self.question.value)
        self.settings = {
            setting.name: _control(self._widgets, setting, given.get(setting.name, setting.default))
            for setting in describe(question.Settings)
            if not setting.in_file_only and setting.name not in question.Settings.of_one_subject
        }
        unknown = sorted(set(given) - set(self.settings))
        if unknown and given:
            raise ParameterError(f"{question.name} has no setting {unknown[0]!r}", suggest(unknown[0], self.settings))
        for control in self.settings.values():
            control.observe(lambda _: None if self._filling else self._ask_anew(), "value")
        self._first.children = [w for name, w in self.settings.items() if name in question.examples]
        rest = [w for name, w in self.settings.items() if name not in question.examples]
        self._more.children = (self._widgets.VBox(rest),)

    def _ask_another(self) -> None:
        """Another question has other settings; their values are the defaults."""
        self._make_settings({})
        self._ask_anew()

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **how: object) -> dict[str, object]:
        shown: dict[str, object] = dict(self._page._repr_mimebundle_(**how))
        return {**shown, "text/plain": self.text}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The frames behind what is shown; none where there is no result."""
        return self.result.tables if self.result else {}

    def _given(self) -> dict[str, Any]:
        """The settings that are not as they are by default."""
        usual = {setting.name: setting.default for setting in describe(named(self.question.value).Settings)}
        return {name: control.value for name, control in self.settings.items() if control.value != usual[name]}

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
            figures = question.draw(result)
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


def _control(widgets: Any, setting: Setting, value: Any) -> Any:
    """The control that fits a setting's kind; its meaning is its tooltip."""
    about = {"description": setting.name, "tooltip": setting.meaning, "style": {"description_width": "initial"}}
    if setting.choices:
        empty = () if setting.default else ("",)
        return widgets.Dropdown(options=[*empty, *setting.choices], value=str(value or ""), **about)
    if isinstance(setting.default, bool):
        return widgets.Checkbox(value=bool(value), **about)
    if isinstance(setting.default, int | float):
        make = widgets.FloatText if isinstance(setting.default, float) else widgets.IntText
        return make(value=value, continuous_update=False, **about)
    return widgets.Text(value=str(value or ""), placeholder=setting.meaning, continuous_update=False, **about)
