"""The Bayesian last layer: each muscle's log10 MEP is linear in the network's features.

The weights' prior, learnt on the simulated population, says how subjects differ; the
update is conjugate given the muscle's noise, whose scale is estimated from past pulses
only. Muscles learn apart from each other: sharing one latent vector between them was
tried and predicted no better at several times the cost.
Order matters: the same trials in the same order give the same bytes.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, stdtr, stdtrit

from m2m_rt.units import F32, F64, Bools

NOISE_RANGE_LOG10 = (0.04, 0.8)
"""Bounds of one trial's noise sd before scaling, log10 µV."""

_LOG_NOISE_RANGE: tuple[float, float] = (
    math.log(NOISE_RANGE_LOG10[0]),
    math.log(NOISE_RANGE_LOG10[1]),
)

SCALE_RANGE = (0.2, 5.0)
"""Bounds of a muscle's noise variance scale."""


@dataclass(frozen=True, slots=True)
class LastLayerPrior:
    """What the last layer believes before the first pulse.

    A subject's weights of muscle m are `mean[m] + factor[m] @ z[m]`, z ~ N(0, 1).
    """

    mean: F64
    """(n_muscles, n_features)"""

    factor: F64
    """(n_muscles, n_features, n_latent)"""

    log_noise: F64
    """(n_muscles, n_features): ln of the noise sd is features @ this."""

    scale_dof: float
    """How many pulses the population's noise scale of 1 is worth."""

    @property
    def n_muscles(self) -> int:
        """Number of muscles."""
        return int(self.mean.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.mean.shape[1])

    @property
    def n_latent(self) -> int:
        """Number of ways in which one muscle differs between subjects."""
        return int(self.factor.shape[2])


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed after `posterior_seq` learnt trials; never changed in place."""

    prior: LastLayerPrior
    posterior_seq: int
    latent_mean: F64
    """(n_muscles, n_latent): of z."""

    latent_cov: F64
    """(n_muscles, n_latent, n_latent)"""

    scale_dof: F64
    """(n_muscles,): degrees of freedom of the noise scale."""

    noise_scale: F64
    """(n_muscles,): noise variance of this subject over the population's."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Student-t distributions of log10 MEP, one a pose and muscle."""

    mean: F64
    """(n, n_muscles), log10 µV."""

    sd: F64
    """(n, n_muscles): the t distribution's scale, log10 µV."""

    dof: F64
    """(n_muscles,)"""

    def quantile(self, probability: float) -> F64:
        """Return (n, n_muscles) quantiles of log10 MEP."""
        values: F64 = self.mean + self.sd * stdtrit(self.dof, probability)
        return values

    def above(self, log10_uv: float) -> F64:
        """Return (n, n_muscles): the probability of an MEP of at least this size."""
        part: F64 = stdtr(self.dof, (self.mean - log10_uv) / self.sd)
        return part

    def log_density(self, log10_uv: F64) -> F64:
        """Return (n, n_muscles) natural log densities of measured log10 MEPs."""
        t_squared = ((log10_uv - self.mean) / self.sd) ** 2
        half = self.dof / 2.0
        log_norm = gammaln(half + 0.5) - gammaln(half) - 0.5 * np.log(np.pi * self.dof)
        density: F64 = (
            log_norm - np.log(self.sd) - (half + 0.5) * np.log1p(t_squared / self.dof)
        )
        return density


@dataclass(frozen=True, slots=True)
class Terms:
    """What a posterior says of one stimulus, in parts."""

    mean: F64
    """(n_muscles,), log10 µV."""

    loading: F64
    """(n_muscles, n_latent): how the mean moves with the latent vector."""

    pulled: F64
    """(n_muscles, n_latent): latent covariance times loading."""

    spread: F64
    """(n_muscles,): variance because the weights are not known."""

    noise: F64
    """(n_muscles,): variance of one trial."""


def first_posterior(prior: LastLayerPrior) -> Posterior:
    """Return what is believed before the first pulse: the population."""
    return Posterior(
        prior=prior,
        posterior_seq=0,
        latent_mean=np.zeros((prior.n_muscles, prior.n_latent)),
        latent_cov=np.tile(np.eye(prior.n_latent), (prior.n_muscles, 1, 1)),
        scale_dof=np.full(prior.n_muscles, prior.scale_dof),
        noise_scale=np.ones(prior.n_muscles),
    )


def predict(posterior: Posterior, features: F32) -> Predicted:
    """Return the distribution of the next MEPs at features (n, n_features)."""
    phi = features.astype(np.float64)
    loadings = _loadings(posterior.prior, phi)  # (n_muscles, n, n_latent)
    moved = loadings @ posterior.latent_mean[:, :, np.newaxis]  # (n_muscles, n, 1)
    spread = np.sum((loadings @ posterior.latent_cov) * loadings, axis=-1)
    noise = _noise_variance(posterior, phi)
    return Predicted(
        mean=phi @ posterior.prior.mean.T + moved[:, :, 0].T,
        sd=np.sqrt(np.maximum(spread.T, 0.0) + noise),
        dof=posterior.scale_dof,
    )


def predict_mean(posterior: Posterior, features: F32) -> F64:
    """Return only the means (n, n_muscles): cheap enough for hundreds of poses."""
    moved = posterior.prior.factor @ posterior.latent_mean[:, :, np.newaxis]
    weights = posterior.prior.mean + moved[:, :, 0]  # (n_muscles, n_features)
    mean: F64 = features.astype(np.float64) @ weights.T
    return mean


def trial_variance(posterior: Posterior, features: F32) -> F64:
    """Return (n, n_muscles): what one trial's noise alone adds to the variance."""
    return _noise_variance(posterior, features.astype(np.float64))


def learn(
    posterior: Posterior, features: F32, *, log10_uv: F64, valid: Bools
) -> Posterior:
    """Return what is believed after one more trial.

    Parameters
    ----------
    posterior
        Belief before the trial.
    features
        (n_features,) of the stimulus that was given.
    log10_uv
        (n_muscles,): measured log10 MEPs; ignored where not valid.
    valid
        (n_muscles,): muscles whose MEP may be learnt. With none, only
        `posterior_seq` moves.
    """
    terms = terms_at(posterior, features)
    error = np.where(valid, log10_uv - terms.mean, 0.0)
    return update(posterior, terms, error=error, extra_variance=0.0, valid=valid)


def terms_at(posterior: Posterior, features: F32) -> Terms:
    """Return what is believed about the answer at features (n_features,), in parts."""
    # As `predict`, but each product once: a rebuild does this for every trial.
    prior, phi = posterior.prior, features.astype(np.float64)[np.newaxis, :]
    loadings = _loadings(prior, phi)[:, 0, :]  # (n_muscles, n_latent)
    moved = np.sum(loadings * posterior.latent_mean, axis=1)  # (n_muscles,)
    pulled = (posterior.latent_cov @ loadings[:, :, np.newaxis])[:, :, 0]
    return Terms(
        mean=(phi @ prior.mean.T)[0] + moved,
        loading=loadings,
        pulled=pulled,
        spread=np.maximum(np.sum(pulled * loadings, axis=1), 0.0),
        noise=_noise_variance(posterior, phi)[0],
    )


def update(
    posterior: Posterior,
    terms: Terms,
    *,
    error: F64,
    extra_variance: F64 | float,
    valid: Bools,
) -> Posterior:
    """Return what is believed after a trial's errors (n_muscles,), 0 where not valid.

    `extra_variance` is what the errors have beside spread and noise.
    """
    pulled = terms.pulled
    variance = terms.spread + terms.noise + extra_variance  # (n_muscles,)
    gain = np.where(valid, 1.0 / variance, 0.0)[:, np.newaxis] * pulled
    scale_dof, noise_scale = _rescale(posterior, valid, error**2 / variance)
    return Posterior(
        prior=posterior.prior,
        posterior_seq=posterior.posterior_seq + 1,
        latent_mean=posterior.latent_mean + gain * error[:, np.newaxis],
        latent_cov=posterior.latent_cov
        - gain[:, :, np.newaxis] * pulled[:, np.newaxis],
        scale_dof=scale_dof,
        noise_scale=noise_scale,
    )


def rebuild(
    prior: LastLayerPrior, features: F32, *, log10_uv: F64, valid: Bools
) -> Posterior:
    """Return the belief after trials (n rows), learnt one by one in row order.

    Forgetting a trial is rebuilding without its row; a new network's features need a
    rebuild too, because its latent vector means something else.
    """
    posterior = first_posterior(prior)
    for row in range(features.shape[0]):
        posterior = learn(
            posterior, features[row], log10_uv=log10_uv[row], valid=valid[row]
        )
    return posterior


def _loadings(prior: LastLayerPrior, phi: F64) -> F64:
    """Return (n_muscles, n, n_latent): how each mean moves with its muscle's z."""
    loadings: F64 = phi @ prior.factor
    return loadings


def _noise_variance(posterior: Posterior, phi: F64) -> F64:
    """Return (n, n_muscles): one trial's noise in this subject."""
    low, high = _LOG_NOISE_RANGE
    log_sd = phi @ posterior.prior.log_noise.T
    log_sd = np.minimum(np.maximum(log_sd, low), high)  # np.clip is slow to start
    variance: F64 = np.exp(2.0 * log_sd) * posterior.noise_scale
    return variance


def _rescale(posterior: Posterior, valid: Bools, surprise: F64) -> tuple[F64, F64]:
    """Return each muscle's degrees of freedom and noise scale after a trial.

    `surprise` (n_muscles,) is squared error over predicted variance, so times the
    scale in use it estimates the scale that was needed (causal: it changes the next
    trial).
    """
    dof, scale = posterior.scale_dof, posterior.noise_scale
    rescaled = scale * (dof + surprise) / (dof + 1.0)
    return (
        np.where(valid, dof + 1.0, dof),
        np.where(valid, np.clip(rescaled, *SCALE_RANGE), scale),
    )
