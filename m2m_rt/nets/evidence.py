"""The likelihood that networks are trained by: that of whole sessions.

The log marginal likelihood of a session under the last layer's prior is the sum of
its one-step-ahead log predictive densities: training by it is training the progressive
log score (given the noise).
"""

import math

import torch
from torch import Tensor

from m2m_rt.learning.last_layer import NOISE_RANGE_LOG10
from m2m_rt.nets.realtime import PopulationPrior

_ROUNDING = 1e-6
_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def session_log_evidence(
    prior: PopulationPrior, features: Tensor, log10_uv: Tensor, valid: Tensor
) -> Tensor:
    """Return the natural log density per MEP of each session, (n_sessions,).

    Parameters
    ----------
    prior
        Of the last layer.
    features
        (n_sessions, n_pulses, n_features)
    log10_uv
        (n_sessions, n_pulses, n_muscles); finite, whatever it is, where not valid.
    valid
        (n_sessions, n_pulses, n_muscles), 0 or 1; an invalid MEP is as if not there.
    """
    low, high = (math.log(bound) for bound in NOISE_RANGE_LOG10)
    log_sd = torch.clamp(features @ prior.log_noise.T, low, high)
    weight = valid * torch.exp(-log_sd)  # (s, p, m)
    error = ((log10_uv - features @ prior.mean.T) * weight).mT.unsqueeze(-1)
    loadings = features.unsqueeze(1) @ prior.factor * weight.mT.unsqueeze(-1)
    n_latent = loadings.shape[-1]  # loadings (s, m, p, d), error (s, m, p, 1)
    precision = torch.eye(n_latent) + loadings.mT @ loadings
    # Float32 products of precise muscles reach 1e6, where their rounding passes 1.
    rounding = _ROUNDING * torch.diagonal(precision, dim1=-2, dim2=-1).mean(-1)
    precision = precision + rounding[..., None, None] * torch.eye(n_latent)
    cholesky = torch.linalg.cholesky(precision.double()).float()
    pulled = torch.linalg.solve_triangular(cholesky, loadings.mT @ error, upper=False)
    fit = (error**2).sum((1, 2, 3)) - (pulled**2).sum((1, 2, 3))
    determinant = torch.diagonal(cholesky, dim1=-2, dim2=-1)
    spread = 2.0 * torch.log(determinant).sum((1, 2))
    log_norm = (valid * (log_sd + _HALF_LOG_TAU)).sum((1, 2))
    density: Tensor = -(log_norm + 0.5 * (fit + spread)) / valid.sum((1, 2))
    return density
