"""The Bayesian last layer: log10 MEPs are linear in the network's features.

One latent vector says how this subject differs from the population; it moves the
weights of all muscles together, so that a pulse that answers in one muscle also tells
where its neighbours lie. The prior is learnt on the simulated population; the update
is conjugate given each muscle's noise, whose scale is estimated from past pulses only.
Order matters: the same trials in the same order give the same bytes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, stdtrit

from m2m_rt.units import F32, F64, I64, Bools

NOISE_RANGE_LOG10 = (0.04, 0.8)
"""Bounds of one trial's noise sd before scaling, log10 µV."""

SCALE_RANGE = (0.2, 5.0)
"""Bounds of a muscle's noise variance scale."""


@dataclass(frozen=True, slots=True)
class LastLayerPrior:
    """What the last layer believes before the first pulse.

    The weights of muscle m are `mean[m] + factor[m] @ z`, z ~ N(0, 1) per subject.
    """

    mean: F64
    """(n_muscles, n_features)"""

    factor: F64
    """(n_muscles, n_features, n_latent)"""

    log_noise: F64
    """(n_muscles, n_features): ln of the noise sd is features @ this."""

    shared_noise: F64
    """(n_muscles,), 0…<1: two muscles' noises correlate by the product of theirs."""

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
        """Number of ways in which a subject differs from the population."""
        return int(self.factor.shape[2])


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed after `posterior_seq` learnt trials; never changed in place."""

    prior: LastLayerPrior
    posterior_seq: int
    latent_mean: F64
    """(n_latent,)"""

    latent_cov: F64
    """(n_latent, n_latent)"""

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

    def log_density(self, log10_uv: F64) -> F64:
        """Return (n, n_muscles) natural log densities of measured log10 MEPs."""
        t_squared = ((log10_uv - self.mean) / self.sd) ** 2
        half = self.dof / 2.0
        log_norm = gammaln(half + 0.5) - gammaln(half) - 0.5 * np.log(np.pi * self.dof)
        density: F64 = (
            log_norm - np.log(self.sd) - (half + 0.5) * np.log1p(t_squared / self.dof)
        )
        return density


def first_posterior(prior: LastLayerPrior) -> Posterior:
    """Return what is believed before the first pulse: the population."""
    return Posterior(
        prior=prior,
        posterior_seq=0,
        latent_mean=np.zeros(prior.n_latent),
        latent_cov=np.eye(prior.n_latent),
        scale_dof=np.full(prior.n_muscles, prior.scale_dof),
        noise_scale=np.ones(prior.n_muscles),
    )


def predict(posterior: Posterior, features: F32) -> Predicted:
    """Return the distribution of the next MEPs at features (n, n_features)."""
    phi = features.astype(np.float64)
    loadings = _loadings(posterior.prior, phi)  # (n, n_muscles, n_latent)
    mean = phi @ posterior.prior.mean.T + loadings @ posterior.latent_mean
    spread = np.einsum("nmd,nmd->nm", loadings @ posterior.latent_cov, loadings)
    noise = _noise_sd(posterior.prior, phi) ** 2 * posterior.noise_scale
    sd = np.sqrt(np.maximum(spread, 0.0) + noise)
    return Predicted(mean=mean, sd=sd, dof=posterior.scale_dof)


def predict_mean(posterior: Posterior, features: F32) -> F64:
    """Return only the means (n, n_muscles): cheap enough for hundreds of poses."""
    factor, prior = posterior.prior.factor, posterior.prior
    weights = prior.mean + factor @ posterior.latent_mean  # (n_muscles, n_features)
    mean: F64 = features.astype(np.float64) @ weights.T
    return mean


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
    rows = np.flatnonzero(valid)
    phi = features.astype(np.float64)[np.newaxis, :]
    before = predict(posterior, features[np.newaxis, :])
    error = log10_uv[rows] - before.mean[0, rows]
    loadings = _loadings(posterior.prior, phi)[0, rows]  # (k, n_latent)
    noise_cov = _noise_cov(posterior, phi)[np.ix_(rows, rows)]
    gain, cov = _condition(posterior.latent_cov, loadings, noise_cov)
    scale_dof, noise_scale = _rescale(posterior, rows, error / before.sd[0, rows])
    return Posterior(
        prior=posterior.prior,
        posterior_seq=posterior.posterior_seq + 1,
        latent_mean=posterior.latent_mean + gain @ error,
        latent_cov=cov,
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
    """Return (n, n_muscles, n_latent): how each mean moves with the latent vector."""
    loadings: F64 = np.einsum("nf,mfd->nmd", phi, prior.factor, optimize=True)
    return loadings


def _noise_sd(prior: LastLayerPrior, phi: F64) -> F64:
    """Return (n, n_muscles): the population's trial noise, log10 µV."""
    low, high = np.log(NOISE_RANGE_LOG10)
    sd: F64 = np.exp(np.clip(phi @ prior.log_noise.T, low, high))
    return sd


def _noise_cov(posterior: Posterior, phi: F64) -> F64:
    """Return (n_muscles, n_muscles): one trial's noise, part of it shared."""
    shared = posterior.prior.shared_noise
    correlation = np.outer(shared, shared)
    np.fill_diagonal(correlation, 1.0)
    sd = _noise_sd(posterior.prior, phi)[0] * np.sqrt(posterior.noise_scale)
    cov: F64 = correlation * np.outer(sd, sd)
    return cov


def _condition(cov: F64, loadings: F64, noise_cov: F64) -> tuple[F64, F64]:
    """Return the Kalman gain (n_latent, k) and the covariance after it."""
    cross = cov @ loadings.T  # (n_latent, k)
    gain = np.linalg.solve(loadings @ cross + noise_cov, cross.T).T
    after = cov - gain @ cross.T
    symmetric = (after + after.T) / 2.0  # rounding must not make it skew
    return np.asarray(gain, np.float64), symmetric


def _rescale(posterior: Posterior, rows: I64, surprise: F64) -> tuple[F64, F64]:
    """Return each muscle's degrees of freedom and noise scale after a trial.

    `surprise` is the error over the predicted sd, so its square times the scale in
    use estimates the scale that was needed (causal: it changes the next trial).
    """
    dof, scale = posterior.scale_dof.copy(), posterior.noise_scale.copy()
    needed = surprise**2 * scale[rows]
    scale[rows] = (dof[rows] * scale[rows] + needed) / (dof[rows] + 1.0)
    dof[rows] += 1.0
    return dof, np.clip(scale, *SCALE_RANGE)
