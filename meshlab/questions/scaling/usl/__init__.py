"""The Universal Scalability Law, with intervals and with reasons where it may not be stated."""

from meshlab.questions.scaling.usl.compare import Comparison, compare
from meshlab.questions.scaling.usl.fitting import fit, fit_many, fit_samples
from meshlab.questions.scaling.usl.models import Candidate, Choice
from meshlab.questions.scaling.usl.points import Points, binned
from meshlab.questions.scaling.usl.result import Answer, Band, Estimate, Fit, Reason, Refusal, refuse

__all__ = [
    "Answer",
    "Band",
    "Candidate",
    "Choice",
    "Comparison",
    "Estimate",
    "Fit",
    "Points",
    "Reason",
    "Refusal",
    "binned",
    "compare",
    "fit",
    "fit_many",
    "fit_samples",
    "refuse",
]
