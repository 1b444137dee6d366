"""Learning while the session runs: last layer, progressive score, promotion."""

from m2m_rt.learning.last_layer import (
    LastLayerPrior,
    Posterior,
    Predicted,
    first_posterior,
    learn,
    predict,
    predict_mean,
    rebuild,
)
from m2m_rt.learning.promotion import PromotionRule, promotes
from m2m_rt.learning.score import (
    ProgressiveScore,
    progressive_score,
    r2_log10,
    stack,
)
from m2m_rt.learning.selection import select_muscles

__all__ = [
    "LastLayerPrior",
    "Posterior",
    "Predicted",
    "ProgressiveScore",
    "PromotionRule",
    "first_posterior",
    "learn",
    "predict",
    "predict_mean",
    "progressive_score",
    "promotes",
    "r2_log10",
    "rebuild",
    "select_muscles",
    "stack",
]
