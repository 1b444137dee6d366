"""How well candidates foretell trials that they have not seen, and which is best."""

import math

import numpy as np

from m2m_rt.learning import LastLayerPrior, first_posterior, learn, predict
from m2m_rt.units import F32, F64, Bools


def held_out_scores(
    prior: LastLayerPrior,
    features: F32,
    *,
    log10_uv: F64,
    valid: Bools,
    n_learnt: int,
) -> F64:
    """Return (n_held_out, 2): sums of log densities of a trial's MEPs, and their count.

    Every trial is foretold from those before it, the last layer learning as it goes.

    Parameters
    ----------
    prior
        Of a candidate's last layer.
    features
        (n, n_features): its features of all trials in order.
    log10_uv, valid
        (n, n_muscles)
    n_learnt
        How many trials come first and are learnt only.
    """
    posterior = first_posterior(prior)
    scores = []
    for row in range(len(features)):
        if row >= n_learnt:
            predicted = predict(posterior, features[row : row + 1])
            measured = np.where(valid[row], log10_uv[row], 0.0)
            density = predicted.log_density(measured)[0]
            scores.append((density[valid[row]].sum(), valid[row].sum()))
        posterior = learn(
            posterior, features[row], log10_uv=log10_uv[row], valid=valid[row]
        )
    return np.array(scores, np.float64)


def mean_score(scores: F64) -> float:
    """Return the mean log density per MEP of `held_out_scores`."""
    return float(scores[:, 0].sum() / max(scores[:, 1].sum(), 1.0))


def choose(scores: list[F64]) -> tuple[int, float]:
    """Return which candidate did best, and what having had the choice is worth.

    Of two that are equally good the better one by chance is ahead of itself by the
    standard error of their difference over √(2π), on average.

    Parameters
    ----------
    scores
        `held_out_scores` of one or two candidates, on the same trials.
    """
    means = np.array([mean_score(one) for one in scores])
    best = int(np.argmax(np.where(np.isfinite(means), means, -np.inf)))
    if len(scores) == 1 or not np.isfinite(means).all():
        return best, 0.0
    first, second = scores
    n_meps, n_trials = first[:, 1].sum(), len(first)
    apart = first[:, 0] - second[:, 0]
    apart = apart - apart.sum() * first[:, 1] / n_meps  # MEPs of a trial go together
    correction = n_trials / max(n_trials - 1, 1)
    error = math.sqrt(correction * float(np.sum(apart**2))) / float(n_meps)
    return best, error / math.sqrt(2.0 * math.pi)
