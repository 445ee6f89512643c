"""Is this a retry storm, who started it, and does it end?"""

from meshlab.questions.retries import fleet, plot
from meshlab.questions.retries.evidence import collect
from meshlab.questions.retries.judge import judge
from meshlab.questions.retries.ready import ready
from meshlab.questions.retries.remedies import written
from meshlab.questions.retries.scope import Scope
from meshlab.questions.retries.settings import Policy

__all__ = ["Policy", "Scope", "collect", "fleet", "judge", "plot", "ready", "written"]
