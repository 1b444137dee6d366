"""From an expected log10 amplitude to an expected amplitude.

The mean of an amplitude is more than ten to the mean of its logarithm, by a factor
that depends on the spread there ("smearing", after Duan 1983). The factor is learnt on
training rows, a muscle at a time, as a smooth function of the expected logarithm:
spread is large where the recruitment is steep, small where it saturates.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.units import F64

_N_STEPS = 30
_HOLD = np.array((1e-6, 1.0, 3.0))
"""How strongly the factor's three coefficients are held to zero, in pulses of mean
amplitude: the first one, its size, hardly at all."""

_HOLD_TO_MODEL = np.array((3.0, 10.0, 20.0))
"""The same where a model of the noise says what the factor should be about."""


@dataclass(frozen=True, slots=True)
class Smearing:
    """ln of the factor, a parabola in the standardised expected logarithm."""

    centre: F64
    spread: F64
    low: F64
    high: F64
    """Each (n_muscles,); the parabola is not followed past training's low and high."""

    weights: F64
    """(n_muscles, 3)"""

    def amplitude_uv(self, log10_uv: F64, model_uv: F64 | None = None) -> F64:
        """Return E[A] (n, n_muscles) where E[log10 A] is as given.

        With `model_uv`, what a model of the noise makes of it, if it was learnt so.
        """
        at = np.clip((log10_uv - self.centre) / self.spread, self.low, self.high)
        ln_factor = np.sum(_parabola(at) * self.weights, axis=-1)
        plain_uv = 10.0**log10_uv if model_uv is None else model_uv
        amplitude: F64 = plain_uv * np.exp(ln_factor)
        return amplitude


def learn_smearing(
    log10_uv: F64, amplitude_uv: F64, model_uv: F64 | None = None
) -> Smearing:
    """Return the factor learnt from training rows (n, n_muscles).

    Parameters
    ----------
    log10_uv
        What was expected of each row: better without having seen its answer.
    amplitude_uv
        What it answered.
    model_uv
        The amplitude that a model of the noise expects: the factor is then learnt over
        that, and is near 1.
    """
    centre, spread = log10_uv.mean(axis=0), log10_uv.std(axis=0) + 1e-6
    at = (log10_uv - centre) / spread
    plain_uv = 10.0**log10_uv if model_uv is None else model_uv
    hold = _HOLD if model_uv is None else _HOLD_TO_MODEL
    weights = [
        _fit_muscle(_parabola(at[:, m]), plain_uv[:, m], amplitude_uv[:, m], hold)
        for m in range(at.shape[1])
    ]
    return Smearing(centre, spread, at.min(axis=0), at.max(axis=0), np.array(weights))


def _parabola(at: F64) -> F64:
    """Return (…, 3)."""
    return np.stack((np.ones_like(at), at, at**2 - 1.0), axis=-1)


def _fit_muscle(design: F64, plain_uv: F64, amplitude_uv: F64, hold: F64) -> F64:
    """Return the coefficients (3,): a log-linear model whose variance is as its mean.

    By Newton's steps on the quasi-likelihood (iterated weighted least squares).
    """
    typical_uv = amplitude_uv.mean()
    weights = np.array((np.log(amplitude_uv.sum() / plain_uv.sum()), 0.0, 0.0))
    for _ in range(_N_STEPS):
        expected = plain_uv * np.exp(design @ weights) / typical_uv
        slope = design.T @ (amplitude_uv / typical_uv - expected) - hold * weights
        curvature = (design * expected[:, np.newaxis]).T @ design + np.diag(hold)
        step = np.linalg.solve(curvature, slope)
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-7:
            break
    return weights
