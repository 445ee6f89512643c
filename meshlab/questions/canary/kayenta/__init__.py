"""A judge compatible with Kayenta's, for people who migrate: the same classifications, its defects included.

Kayenta compares the two arms' time series, point by point: it knows no request counts, takes the points of a series for
independent, and is not made for repeated looks. `meshlab.questions.canary.judge` answers the same question on counts.

References
----------
spinnaker/kayenta: NetflixACAJudge.scala, MannWhitneyClassifier.scala, MannWhitney.scala, WeightedSumScorer.scala.
"""

from meshlab.questions.canary.kayenta.metric import (
    Classification,
    Direction,
    EffectSize,
    Measure,
    MetricResult,
    NanStrategy,
    Outliers,
    judge_metric,
)
from meshlab.questions.canary.kayenta.scoring import Group, Metric, Score, Summary, score
from meshlab.questions.canary.kayenta.shift import Shift, location_shift

__all__ = [
    "Classification",
    "Direction",
    "EffectSize",
    "Group",
    "Measure",
    "Metric",
    "MetricResult",
    "NanStrategy",
    "Outliers",
    "Score",
    "Shift",
    "Summary",
    "judge_metric",
    "location_shift",
    "score",
]
