"""The exact Gaussian process of one muscle's map: fitted at once, or pulse by pulse."""

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

_FIRST_CAPACITY = 64


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


class GrowingMap:
    """The same posterior, one pulse at a time in O(n²): a Cholesky factor that grows.

    Equal to `fit_map` on the pulses learnt so far, to rounding.
    """

    def __init__(self, settings: PoseMapSettings) -> None:
        """Begin with the prior."""
        self.settings = settings
        self._pulses: MapPulses | None = None
        self._factor = np.zeros((_FIRST_CAPACITY, _FIRST_CAPACITY))
        self._whitened = np.zeros(_FIRST_CAPACITY)

    def __len__(self) -> int:
        """Return the number of pulses learnt."""
        return 0 if self._pulses is None else len(self._pulses)

    def predict(self, pulses: MapPulses) -> MapAnswer:
        """Return what planned pulses would answer."""
        rows = self._rows(pulses)
        mean = self.settings.mean_log10_uv + rows.T @ self._whitened[: len(self)]
        return _answer(mean, np.sum(rows**2, axis=0), self.settings)

    def learn(self, pulse: MapPulses, log10_uv: float) -> None:
        """Learn one pulse's response."""
        row = self._rows(pulse)[:, 0]
        n = len(self)
        variance = prior_variance(self.settings) + self.settings.noise_sd**2
        pivot = np.sqrt(variance - row @ row)
        error = log10_uv - self.settings.mean_log10_uv - row @ self._whitened[:n]
        self._reserve(n + 1)
        self._factor[n, :n] = row
        self._factor[n, n] = pivot
        self._whitened[n] = error / pivot
        known = self._pulses
        self._pulses = pulse if known is None else join_pulses([known, pulse])

    def _rows(self, pulses: MapPulses) -> F64:
        """Return (n_learnt, n_new): the factor's rows that the pulses would get."""
        if self._pulses is None:
            return np.zeros((0, len(pulses)))
        n = len(self)
        cross = covariance(gaps(self._pulses, pulses), self.settings)
        rows: F64 = solve_triangular(
            self._factor[:n, :n], cross, lower=True, check_finite=False
        )
        return rows

    def _reserve(self, n: int) -> None:
        if n <= len(self._whitened):
            return
        n_old = len(self._whitened)
        factor = np.zeros((2 * n_old, 2 * n_old))
        factor[:n_old, :n_old] = self._factor
        self._factor = factor
        self._whitened = np.concatenate((self._whitened, np.zeros(n_old)))


def join_pulses(parts: list[MapPulses]) -> MapPulses:
    """Return the pulses of several, in their order; all with or without rotations."""
    rotations = [p.rotation for p in parts if p.rotation is not None]
    levels = [p.intensity_pct for p in parts if p.intensity_pct is not None]
    return MapPulses(
        np.concatenate([p.position_mm for p in parts]),
        np.concatenate([p.map_index for p in parts]),
        np.concatenate([p.pulse_index for p in parts]),
        np.concatenate(rotations) if len(rotations) == len(parts) else None,
        np.concatenate(levels) if len(levels) == len(parts) else None,
    )


def _answer(mean: F64, explained: F64, settings: PoseMapSettings) -> MapAnswer:
    left = np.maximum(prior_variance(settings) - explained, 0.0)
    return MapAnswer(mean, np.sqrt(left + settings.noise_sd**2), np.sqrt(left))
