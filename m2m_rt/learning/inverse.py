"""From measured MEPs back to the stimulus: which fields explain them.

The forward model says what every candidate stimulus would evoke and how surely;
Bayes' rule turns one pulse's MEPs, or the mean of several (`mean_of_pulses`), into a
probability of each candidate, and these into a map of the field with its spread.
Nothing is trained for it.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning.last_layer import Predicted
from m2m_rt.units import F32, F64, Bools

_HALF_LOG_TAU = 0.5 * np.log(2.0 * np.pi)
_MOST_SHARED = 0.95

COUNTED = 0.8
"""Part of the evidence of a pulse's muscles that counts: what the features cannot
follow is wrong in many muscles at once. Chosen on simulated people (seed stream
TUNING) so that intervals hold what they say; the error hardly depends on it."""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """The field's strength that MEPs point to, one row a pulse, one column a point."""

    mean: F64
    """(n, n_points), in the candidates' unit."""

    sd: F64
    """(n, n_points)"""


def shared_share(predicted: Predicted, log10_uv: F64) -> float:
    """Return how much of the answers' deviations all muscles have in common, 0…0.95.

    The mean correlation of standardised errors of two muscles, over pulses
    (n, n_muscles) whose answers are known: cortical excitability moves all of them.
    """
    error = (log10_uv - predicted.mean) / predicted.sd
    n_muscles = error.shape[1]
    if n_muscles < 2:
        return 0.0
    own = np.sum(error**2, axis=1)
    between = (np.sum(error, axis=1) ** 2 - own) / (n_muscles * (n_muscles - 1))
    share = between.mean() / max(float(own.mean()) / n_muscles, 1e-9)
    return float(np.clip(share, 0.0, _MOST_SHARED))


def log_likelihood(
    predicted: Predicted, log10_uv: F64, *, valid: Bools, shared: float
) -> F64:
    """Return how well each candidate explains each answer, natural log.

    Parameters
    ----------
    predicted
        Of n candidate stimuli.
    log10_uv
        (n_answers, n_muscles): measured answers.
    valid
        (n_muscles,): muscles that count.
    shared
        Part of the deviations' variance that all muscles have in common.

    Returns
    -------
        (n_answers, n)
    """
    sd = predicted.sd[:, valid]  # (n, n_valid)
    usual = log10_uv[:, valid].mean(axis=0)  # off both: squares cancel less
    answer, mean = log10_uv[:, valid] - usual, predicted.mean[:, valid] - usual
    n_valid = sd.shape[1]
    squares = answer**2 @ (sd**-2.0).T - 2.0 * answer @ (mean * sd**-2.0).T
    squares += np.sum((mean / sd) ** 2, axis=1)
    total = answer @ (1.0 / sd).T - np.sum(mean / sd, axis=1)  # of the errors over sd
    common = shared / (1.0 + (n_valid - 1) * shared)
    log_det = (n_valid - 1) * np.log1p(-shared) + np.log1p((n_valid - 1) * shared)
    log_sd = np.sum(np.log(sd), axis=1) + n_valid * _HALF_LOG_TAU
    fit = (squares - common * total**2) / (1.0 - shared)
    density: F64 = -0.5 * (fit + log_det) - log_sd
    return density


def probabilities(log_likelihoods: F64, *, counted: float = 1.0) -> F64:
    """Return each candidate's probability, all equally likely before; rows sum to 1.

    `counted` is the part of the evidence that counts, `COUNTED` for real answers.

    >>> probabilities(np.log(np.array([1.0, 3.0]))).tolist()
    [0.25, 0.75]
    """
    away = log_likelihoods - log_likelihoods.max(axis=-1, keepdims=True)
    weight = np.exp(counted * away)
    found: F64 = weight / weight.sum(axis=-1, keepdims=True)
    return found


def field_map(probability: F64, levels: F64, unit_strength: F32) -> FieldMap:
    """Return the maps that candidates' probabilities mean.

    Parameters
    ----------
    probability
        (n, n_levels · n_poses): of each pulse's candidates, levels first.
    levels
        (n_levels,): factor of the field at each.
    unit_strength
        (n_poses, n_points): |E| of each pose at level 1.
    """
    split = probability.reshape(len(probability), len(levels), -1)
    once = np.einsum("nlp,l->np", split, levels) @ unit_strength
    twice = np.einsum("nlp,l->np", split, levels**2) @ unit_strength**2
    return FieldMap(mean=once, sd=np.sqrt(np.maximum(twice - once**2, 0.0)))
