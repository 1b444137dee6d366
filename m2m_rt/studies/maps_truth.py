"""The truth of active mapping: a noise-free process through a combined map."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize_scalar

from m2m_rt.adapters.motor_map_file import CombinedMap
from m2m_rt.errors import DataError
from m2m_rt.learning import squared_distance
from m2m_rt.units import F64

_JITTER = 1e-10
_LENGTH_OVER_SPACING = (0.25, 4.0)
_N_LENGTHS = 25
SHIPPED_LENGTH_OVER_SPACING = 2.0 / 3.0
"""Where there is no other subject to learn the length from: an interpolated map varies
over the spacing of its own grid."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A noise-free process through a combined map; answers any site."""

    position_mm: F64
    weights: F64
    length_mm: float

    def root_uv(self, points_mm: F64) -> F64:
        """Return (n,): the root of the MEP; its sign carries no meaning."""
        return np.concatenate(
            [
                _bell(part, self.position_mm, self.length_mm) @ self.weights
                for part in in_parts(points_mm)
            ]
        )


def fit_truth(combined: CombinedMap, length_mm: float | None = None) -> Truth:
    """Return the truth, its length given or by a robust fit.

    Raises
    ------
    DataError
        If the covariance is singular at the length.
    """
    root = np.sqrt(combined.mep_p2p_uv)
    if length_mm is None:
        length_mm = fitted_length_mm(combined)
    try:
        factor = _factor(combined.position_mm, length_mm)
    except np.linalg.LinAlgError as err:
        raise DataError(
            f"combined map: sites {_spacing_mm(combined.position_mm):.3g} mm apart "
            f"make a length of {length_mm:.3g} mm singular; expected a shorter one, "
            "and no site twice"
        ) from err
    return Truth(combined.position_mm, cho_solve((factor, True), root), length_mm)


def fitted_length_mm(combined: CombinedMap) -> float:
    """Return the length that makes a map's process likeliest, by a robust fit.

    It takes the amplitude that is best at each length in closed form, and looks
    over all lengths that the sites' spacing can show. A search over both at once runs
    to long lengths, where the covariance is singular and its likelihood means nothing.
    """
    position_mm, root_uv = combined.position_mm, np.sqrt(combined.mep_p2p_uv)
    spacing = _spacing_mm(position_mm)
    shortest, longest = (spacing * factor for factor in _LENGTH_OVER_SPACING)
    lengths = np.geomspace(shortest, longest, _N_LENGTHS)
    losses = [_profile_loss(position_mm, root_uv, length) for length in lengths]
    best = int(np.argmin(losses))
    around = lengths[max(best - 1, 0)], lengths[min(best + 1, len(lengths) - 1)]
    found = minimize_scalar(
        lambda log: _profile_loss(position_mm, root_uv, float(np.exp(log))),
        bounds=np.log(around),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def shipped_length_mm(combined: CombinedMap) -> float:
    """Return the mapper's length where no other subject can tell it."""
    return SHIPPED_LENGTH_OVER_SPACING * _spacing_mm(combined.position_mm)


def in_parts(points_mm: F64) -> list[F64]:
    """Return the points in pieces small enough for a kernel matrix of each."""
    return np.array_split(points_mm, max(1, len(points_mm) // 4000))


def _profile_loss(position_mm: F64, root_uv: F64, length_mm: float) -> float:
    """Return minus the log likelihood at the amplitude that is best for a length."""
    try:
        factor = _factor(position_mm, length_mm)
    except np.linalg.LinAlgError:
        return float("inf")
    n = len(root_uv)
    variance = float(root_uv @ cho_solve((factor, True), root_uv)) / n
    if not variance > 0:
        return float("inf")
    return 0.5 * n * float(np.log(variance)) + float(np.log(np.diag(factor)).sum())


def _factor(position_mm: F64, length_mm: float) -> F64:
    near = _bell(position_mm, position_mm, length_mm)
    near[np.diag_indices_from(near)] += _JITTER
    return np.asarray(np.linalg.cholesky(near), dtype=np.float64)


def _spacing_mm(position_mm: F64) -> float:
    """Return the median distance to the nearest other site."""
    apart2 = squared_distance(position_mm, position_mm)
    apart2[apart2 < 1e-12] = np.inf  # itself, and sites given twice
    return float(np.median(np.sqrt(apart2.min(axis=1))))


def _bell(a_mm: F64, b_mm: F64, length_mm: float) -> F64:
    return np.asarray(np.exp(-0.5 * squared_distance(a_mm, b_mm) / length_mm**2))
