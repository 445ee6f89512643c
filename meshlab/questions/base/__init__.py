"""What a question is: settings, needs, tables and a judge. Everything that asks one goes through this contract."""

from meshlab.core.results import Action, Finding, Verdict
from meshlab.questions.base.case import Case
from meshlab.questions.base.check import check_question
from meshlab.questions.base.contract import ErrorCodes, Question, QuestionSettings
from meshlab.questions.base.needs import Asking, Code, Need, Table, columns
from meshlab.questions.base.parameters import parameters, parameters_source
from meshlab.questions.base.registry import installed, question

__all__ = [
    "Action",
    "Asking",
    "Case",
    "Code",
    "ErrorCodes",
    "Finding",
    "Need",
    "Question",
    "QuestionSettings",
    "Table",
    "Verdict",
    "check_question",
    "columns",
    "installed",
    "parameters",
    "parameters_source",
    "question",
]
