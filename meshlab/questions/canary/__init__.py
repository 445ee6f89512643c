"""Is the canary good?"""

from meshlab.questions.canary import fleet, plot
from meshlab.questions.canary.calibration import Calibration, calibrate
from meshlab.questions.canary.evidence import collect
from meshlab.questions.canary.judge import judge
from meshlab.questions.canary.kayenta.comparison import compare_with_kayenta
from meshlab.questions.canary.ready import ready
from meshlab.questions.canary.scope import Scope
from meshlab.questions.canary.settings import Policy

__all__ = [
    "Calibration",
    "Policy",
    "Scope",
    "calibrate",
    "collect",
    "compare_with_kayenta",
    "fleet",
    "judge",
    "plot",
    "ready",
]
