"""Where does a service stop scaling, and does its autoscaler follow?"""

from meshlab.questions.scaling import plot
from meshlab.questions.scaling.question import Scaling
from meshlab.questions.scaling.settings import ScalingSettings

__all__ = ["Scaling", "ScalingSettings", "plot"]
