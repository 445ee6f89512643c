"""What other retry policies would have done with the same load and the same trigger."""

from meshlab.questions.retries.simulate.calibration import Blocks, Calibrated, NotCalibrated, calibrate
from meshlab.questions.retries.simulate.policy import Concurrency, Hop, Limit, Ratio, RetryPolicy, Tokens, alternatives
from meshlab.questions.retries.simulate.recovery import Mitigation, cuts, recover
from meshlab.questions.retries.simulate.run import Runs, simulate
from meshlab.questions.retries.simulate.service import Service

__all__ = [
    "Blocks",
    "Calibrated",
    "Concurrency",
    "Hop",
    "Limit",
    "Mitigation",
    "NotCalibrated",
    "Ratio",
    "RetryPolicy",
    "Runs",
    "Service",
    "Tokens",
    "alternatives",
    "calibrate",
    "cuts",
    "recover",
    "simulate",
]
