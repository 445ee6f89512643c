"""A judge compatible with Kayenta's, for people who migrate: the same classifications, its defects included.

Kayenta compares the two arms' time series, point by point: it knows no request counts, takes the points of a series for
independent, and is not made for repeated looks. The canary question answers the same question on counts.

References
----------
spinnaker/kayenta: NetflixACAJudge.scala, MannWhitneyClassifier.scala, MannWhitney.scala, WeightedSumScorer.scala.
"""

from meshlab.questions.canary.kayenta.metric import Classification, EffectSize, MetricResult, judge_metric
from meshlab.questions.canary.kayenta.scoring import Group, Metric, Score, Summary, score
from meshlab.questions.canary.kayenta.shift import Shift, location_shift

__all__ = ["Classification", "EffectSize", "Group", "Metric", "MetricResult", "Score", "Shift", "Summary"]
__all__ += ["judge_metric", "location_shift", "score"]
