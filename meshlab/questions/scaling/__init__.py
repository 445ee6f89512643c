"""Where does a service stop scaling, and does its autoscaler follow?"""

from meshlab.questions.scaling import fleet, plot
from meshlab.questions.scaling.evidence import collect
from meshlab.questions.scaling.judge import judge
from meshlab.questions.scaling.ready import ready
from meshlab.questions.scaling.scope import Scope
from meshlab.questions.scaling.settings import Policy

__all__ = ["Policy", "Scope", "collect", "fleet", "judge", "plot", "ready"]
