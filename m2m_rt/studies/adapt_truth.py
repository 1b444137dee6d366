"""What a person's recruitment truly is: moments of log10 MEP over drive.

For the observers that know the truth: the oracle filter of excitability, and the
detector that knows what changes but not when. By Gauss-Hermite quadrature over the
noise before and after the sigmoid and of the floor.
"""

from dataclasses import dataclass, fields

import numpy as np

from m2m_rt.model import FLOOR_UV
from m2m_rt.sim.subject import Recruitment
from m2m_rt.units import F64

_GRID = np.linspace(0.0, 3.5, 141)
_STEP_LOG10 = 0.02
"""Of the gain, for the sensitivity to it."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Moments of pulses (n, n_muscles), log10 µV."""

    mean: F64
    own_variance: F64
    """What muscles do not share."""

    before: F64
    """Loading on the noise before the sigmoid that all muscles share."""

    after: F64
    """Loading on the shared noise after it."""

    reach: F64
    """Change of the mean with log10 of the evoked size."""

    def with_muscle(self, muscle: int, other: "Truth") -> "Truth":
        """Return these moments with one muscle's of another truth."""
        pairs = (
            (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)
        )
        chosen = np.arange(self.mean.shape[1]) == muscle
        return Truth(*(np.where(chosen, there, here) for here, there in pairs))

    def covariance(self) -> F64:
        """Return (n, n_muscles, n_muscles)."""
        shared = np.stack((self.before, self.after), axis=-1)  # (n, m, 2)
        own = self.own_variance[:, :, np.newaxis] * np.eye(self.mean.shape[1])
        covariance: F64 = own + shared @ np.swapaxes(shared, 1, 2)
        return covariance


@dataclass(frozen=True, slots=True)
class TrueCurves:
    """The moments on a grid of drive over threshold, (n_grid, n_muscles) each."""

    moments: tuple[F64, F64, F64, F64, F64]

    def at(self, drive: F64) -> Truth:
        """Return the moments of drives (n, n_muscles)."""
        place = np.clip(drive / _GRID[1], 0.0, len(_GRID) - 1.001)
        low = place.astype(np.int64)
        part = place - low
        column = np.arange(drive.shape[1])
        values = [
            (1.0 - part) * curve[low, column] + part * curve[low + 1, column]
            for curve in self.moments
        ]
        return Truth(*values)


def true_curves(body: Recruitment, log10_gain: float = 0.0) -> TrueCurves:
    """Return the moments of a person whose evoked sizes are multiplied by a gain."""
    mean, own, before, after = _moments(body, log10_gain)
    more, *_ = _moments(body, log10_gain + _STEP_LOG10)
    reach = (more - mean) / _STEP_LOG10
    return TrueCurves((mean, own, before, after, reach))


def _moments(body: Recruitment, log10_gain: float) -> tuple[F64, F64, F64, F64]:
    """Return mean, own variance and the two shared loadings, (n_grid, n_muscles)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    weights = weights / weights.sum()
    floor_nodes, floor_weights = np.polynomial.hermite_e.hermegauss(3)
    floor_weights = floor_weights / floor_weights.sum()
    z = nodes[:, np.newaxis, np.newaxis]
    evoked = body.evoked_log10_uv(_GRID[:, np.newaxis] + body.input_noise * z)
    after = body.output_noise_log10 * nodes[:, np.newaxis]  # (9, n_muscles)
    size_uv = 10.0 ** (evoked[:, np.newaxis] + after[:, np.newaxis] + log10_gain)
    mean = np.zeros(evoked.shape[1:])
    square, with_before, with_after = (np.zeros_like(mean) for _ in range(3))
    for node, weight in zip(floor_nodes, floor_weights, strict=True):
        floor_uv = body.floor_uv * 10.0 ** (body.floor_spread_log10 * node)
        y = np.log10(np.maximum(np.hypot(size_uv, floor_uv), FLOOR_UV))
        over_after = np.tensordot(weights, y, axes=(0, 1))  # (9 before, grid, m)
        mean += weight * np.tensordot(weights, over_after, axes=1)
        square += weight * np.einsum("b,a,bagm->gm", weights, weights, y**2)
        with_before += weight * np.tensordot(weights * nodes, over_after, axes=1)
        slopes = np.tensordot(weights * nodes, y, axes=(0, 1))
        with_after += weight * np.tensordot(weights, slopes, axes=1)
    before, behind = (np.sqrt(body.shared) * one for one in (with_before, with_after))
    own = np.maximum(square - mean**2 - before**2 - behind**2, 1e-4)
    return mean, own, before, behind
