"""How secure is the traffic really, by what the mesh's own telemetry shows?"""

from meshlab.questions.security import least_privilege, plot
from meshlab.questions.security.question import Security
from meshlab.questions.security.settings import SecuritySettings

__all__ = ["Security", "SecuritySettings", "least_privilege", "plot"]
