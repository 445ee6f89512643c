"""How secure is the traffic really, by what the mesh's own telemetry shows?"""

from meshlab.questions.security import fleet, least_privilege, plot
from meshlab.questions.security.evidence import collect
from meshlab.questions.security.judge import judge
from meshlab.questions.security.ready import ready
from meshlab.questions.security.scope import Scope
from meshlab.questions.security.settings import Policy

__all__ = ["Policy", "Scope", "collect", "fleet", "judge", "least_privilege", "plot", "ready"]
