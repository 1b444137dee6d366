"""Progressive validation: every prediction is scored on the answer that came after."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning.last_layer import Predicted
from m2m_rt.units import F64, Bools

MIN_PULSES = 3
"""A muscle with fewer valid MEPs has no variance worth explaining."""

_LEAST_DEVIATION2 = 1e-9
"""Squared deviations, summed, (log10 µV)²: a muscle whose MEPs have less does not vary,
as one that never answers and lies at the amplifier's floor throughout."""


@dataclass(frozen=True, slots=True)
class ProgressiveScore:
    """How good predictions were that were made before their answers."""

    r2_log10: float
    """1 − squared error ÷ squared deviation from the muscle's own mean; averaged over
    muscles. NaN when no muscle has enough valid MEPs that vary."""

    coverage_90: float
    """Part of the valid MEPs inside their 90 % interval."""

    log_score: float
    """Mean natural log predictive density per valid MEP, of log10 µV."""

    n_scored: int
    """Number of valid MEPs."""


def progressive_score(
    predicted: Predicted, *, log10_uv: F64, valid: Bools
) -> ProgressiveScore:
    """Score predictions (n, n_muscles) made before their answers (n, n_muscles)."""
    n_scored = int(valid.sum())
    if not n_scored:
        return ProgressiveScore(np.nan, np.nan, np.nan, 0)
    inside = (log10_uv >= predicted.quantile(0.05)) & (
        log10_uv <= predicted.quantile(0.95)
    )
    density = predicted.log_density(np.where(valid, log10_uv, predicted.mean))
    return ProgressiveScore(
        r2_log10=r2_log10(predicted.mean, measured=log10_uv, valid=valid),
        coverage_90=float(inside[valid].mean()),
        log_score=float(density[valid].mean()),
        n_scored=n_scored,
    )


def r2_log10(predicted: F64, *, measured: F64, valid: Bools) -> float:
    """Return R² of log10 MEP about each muscle's own mean, averaged over muscles.

    Muscles with too few valid MEPs, and those whose MEPs do not vary, have none and are
    left out; NaN when no muscle is left.
    """
    per_muscle = [
        _r2(predicted[rows, muscle], measured[rows, muscle])
        for muscle, rows in enumerate(valid.T)
        if rows.sum() >= MIN_PULSES
    ]
    told = [r2 for r2 in per_muscle if r2 is not None]
    return float(np.mean(told)) if told else float("nan")


def stack(predictions: list[Predicted]) -> Predicted:
    """Return one distribution with the rows of several, of as many muscles.

    The degrees of freedom become (n, n_muscles), as each prediction had its own.
    """
    return Predicted(
        mean=np.concatenate([p.mean for p in predictions]),
        sd=np.concatenate([p.sd for p in predictions]),
        dof=np.concatenate([np.broadcast_to(p.dof, p.mean.shape) for p in predictions]),
    )


def _r2(predicted: F64, measured: F64) -> float | None:
    """Return R² over one muscle's MEPs (n,); None where they do not vary."""
    total = float(np.sum((measured - measured.mean()) ** 2))
    if total <= _LEAST_DEVIATION2:
        return None
    return float(1.0 - np.sum((measured - predicted) ** 2) / total)
