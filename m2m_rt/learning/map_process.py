"""The exact Gaussian process of one muscle's map."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from m2m_rt.learning.map_kernel import (
    MapPulses,
    PoseMapSettings,
    covariance,
    gaps,
    prior_variance,
)
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class MapAnswer:
    """Normal distributions of log10 MEP, one a pulse."""

    mean_log10_uv: F64
    """(n,)"""

    sd_log10_uv: F64
    """(n,): of the next single trial, its noise included."""

    field_sd_log10_uv: F64
    """(n,): of the noise-free response alone."""


@dataclass(frozen=True, slots=True)
class FittedMap:
    """What is believed of a muscle's map after all its pulses."""

    settings: PoseMapSettings
    pulses: MapPulses
    factor: F64
    """(n, n): lower Cholesky factor of the covariance of the measured responses."""

    weights: F64
    """(n,)"""


def fit_map(pulses: MapPulses, log10_uv: F64, settings: PoseMapSettings) -> FittedMap:
    """Return the exact posterior after measured responses (n,)."""
    gram = covariance(gaps(pulses, pulses), settings)
    gram[np.diag_indices_from(gram)] += settings.noise_sd**2
    factor = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    weights = cho_solve((factor, True), log10_uv - settings.mean_log10_uv)
    return FittedMap(settings, pulses, factor, weights)


def predict_map(fitted: FittedMap, pulses: MapPulses) -> MapAnswer:
    """Return what pulses that were not given yet, or not seen, would answer."""
    cross = covariance(gaps(pulses, fitted.pulses), fitted.settings)  # (n_new, n)
    mean = fitted.settings.mean_log10_uv + cross @ fitted.weights
    rows = solve_triangular(fitted.factor, cross.T, lower=True)  # (n, n_new)
    return _answer(mean, np.sum(rows**2, axis=0), fitted.settings)


def _answer(mean: F64, explained: F64, settings: PoseMapSettings) -> MapAnswer:
    left = np.maximum(prior_variance(settings) - explained, 0.0)
    return MapAnswer(mean, np.sqrt(left + settings.noise_sd**2), np.sqrt(left))
