"""Response maps: what muscles would answer to many candidate stimuli.

Two views of the same belief: each candidate's own distribution, and equally likely
surfaces over all candidates, from which anything that depends on several of them at
once (hotspot, centre of gravity, area) gets its distribution.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from m2m_rt.learning.last_layer import (
    Posterior,
    Predicted,
    predict,
    trial_variance,
)
from m2m_rt.model import MEP_PRESENT_UV
from m2m_rt.units import F32, F64

_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class ResponseMap:
    """The next pulse's answers at candidates, each (n, n_muscles), log10 µV."""

    mean: F64
    sd: F64
    p05: F64
    p95: F64
    presence: F64
    """P(MEP ≥ 50 µV), 0…1."""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Equally likely surfaces of one muscle's expected answer."""

    log10_uv: F64
    """(n_draws, n)"""

    noise_log10: F64
    """(n,): standard deviation of one pulse's answer about its expectation."""


def response_map(posterior: Posterior, features: F32) -> ResponseMap:
    """Return the answers expected at features (n, n_features)."""
    return response_map_of(predict(posterior, features))


def response_map_of(predicted: Predicted) -> ResponseMap:
    """Return distributions of the next pulse's answers as a map."""
    below = (np.log10(MEP_PRESENT_UV) - predicted.mean) / predicted.sd
    return ResponseMap(
        mean=predicted.mean,
        sd=predicted.sd,
        p05=predicted.quantile(0.05),
        p95=predicted.quantile(0.95),
        presence=1.0 - stdtr(predicted.dof, below),
    )


def draw_weights(
    posterior: Posterior,
    muscle: int,
    *,
    n_draws: int,
    rng: np.random.Generator,
    widened: float = 1.0,
) -> F64:
    """Return equally likely last-layer weights (n_draws, n_features) of one muscle.

    Every other draw mirrors the one before it, so that their mean is the posterior's.

    Parameters
    ----------
    posterior
        What is believed.
    muscle
        Its row.
    n_draws
        Even.
    rng
        Draws them.
    widened
        Factor of the belief's standard deviations; more than 1 where the features
        cannot follow the truth.
    """
    prior, n_latent = posterior.prior, posterior.prior.n_latent
    covariance = posterior.latent_cov[muscle] + _ROUNDING * np.eye(n_latent)
    half = rng.standard_normal((n_draws // 2, n_latent))
    normal = np.stack((half, -half), axis=1).reshape(-1, n_latent)
    spread = widened * normal @ np.linalg.cholesky(covariance).T
    latent = posterior.latent_mean[muscle] + spread  # (n_draws, n_latent)
    weights: F64 = prior.mean[muscle] + latent @ prior.factor[muscle].T
    return weights


def last_layer_surfaces(
    posterior: Posterior, features: F32, muscle: int, weights: F64
) -> Surfaces:
    """Return surfaces at features (n, n_features) of drawn weights."""
    total2 = predict(posterior, features).sd[:, muscle] ** 2
    noise2 = total2 - expectation_variance(posterior, features)[:, muscle]
    return Surfaces(
        log10_uv=weights @ features.astype(np.float64).T,
        noise_log10=np.sqrt(np.maximum(noise2, _ROUNDING)),
    )


def expectation_variance(posterior: Posterior, features: F32) -> F64:
    """Return how uncertain the answers' expectations are, (n, n_muscles), log10²."""
    loadings = features.astype(np.float64) @ posterior.prior.factor
    spread = np.sum((loadings @ posterior.latent_cov) * loadings, axis=-1)
    variance: F64 = np.maximum(spread.T, 0.0)  # (n, n_muscles)
    return variance


def mean_of_pulses(posterior: Posterior, features: F32, n_pulses: int) -> Predicted:
    """Return the distribution of the mean of several pulses' log10 MEPs.

    Pulses of one stimulus differ by their noise; what is not known of the expectation
    they have in common, so it does not average out.
    """
    one = predict(posterior, features)
    averaged2 = trial_variance(posterior, features) * (1.0 - 1.0 / n_pulses)
    left2 = np.maximum(one.sd**2 - averaged2, _ROUNDING)
    return Predicted(mean=one.mean, sd=np.sqrt(left2), dof=one.dof)
