"""What a Bayesian would believe of the error rates: for people; the verdict does not rest on it.

Beta(1/2, 1/2) before (Jeffreys), the counts of the whole window after. It is not proof against peeking: who looks
until it says what is hoped for will see it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta

from meshlab.display.numbers import percent
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.tables import TABLES

__all__ = ["beliefs"]

_POINTS = 600


def beliefs(outcomes: Outcomes, phi: float, settings: CanarySettings) -> pd.DataFrame:
    """Beliefs about the error rates: the table ``error_beliefs``, empty without requests in both arms.

    Counts are divided by their dispersion `phi`; the ratio's interval holds the ratio with the settings' level.
    """
    if not all(outcomes.requests):
        return TABLES["error_beliefs"].empty()
    at = (np.arange(_POINTS) + 0.5) / _POINTS
    drawn = [
        beta.ppf(at, 0.5 + k / phi, 0.5 + (n - k) / phi)
        for n, k in zip(outcomes.requests, outcomes.errors, strict=True)
    ]
    # All pairs of evenly spaced quantiles: an integral without chance.
    base, other = drawn[0][:, None], drawn[1][None, :]
    margin = np.maximum(settings.error_margin.absolute, settings.error_margin.relative * base)
    ratio = np.quantile((other / base).ravel(), [settings.alpha / 2, 0.5, 1 - settings.alpha / 2])
    level = percent(settings.level)
    rows = [
        ("the canary fails more often", float((other > base).mean()), "probability"),
        ("by more than is tolerated", float((other > base + margin).mean()), "probability"),
        ("loss expected from promoting it", 100 * float(np.maximum(other - base, 0).mean()), "points"),
        ("ratio of the error rates", float(ratio[1]), "times"),
        (f"ratio, lower end ({level})", float(ratio[0]), "times"),
        (f"ratio, upper end ({level})", float(ratio[2]), "times"),
    ]
    return TABLES["error_beliefs"].of(rows)
