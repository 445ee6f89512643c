"""Is this a retry storm, who started it, and does it end?"""

from meshlab.questions.retries import plot
from meshlab.questions.retries.proposal import proposed
from meshlab.questions.retries.question import Retries
from meshlab.questions.retries.settings import RetriesSettings

__all__ = ["Retries", "RetriesSettings", "plot", "proposed"]
