"""Is the canary good?"""

from meshlab.questions.canary import plot
from meshlab.questions.canary.calibration import Calibration, calibrate
from meshlab.questions.canary.kayenta.comparison import compare_with_kayenta
from meshlab.questions.canary.question import Canary
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["Calibration", "Canary", "CanarySettings", "Mode", "calibrate", "compare_with_kayenta", "plot"]
