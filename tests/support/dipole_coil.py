"""Coils of a few magnetic dipoles, for tests of axes, signs and flips."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.geometry import inverse, transform_points
from m2m_rt.units import F64


@dataclass(frozen=True)
class DipoleCoil:
    """Dipoles in the coil frame (SimNIBS), at the centres of the wings."""

    position_mm: F64
    moment: F64


def figure_of_eight(*, depth_mm: float = 0.0, ratio: float = 1.0) -> DipoleCoil:
    """Return two opposite wings; `ratio` 1 is symmetric, `depth_mm` behind the face."""
    return DipoleCoil(
        np.array(((40.0, 0.0, -depth_mm), (-40.0, 0.0, -depth_mm))),
        np.array(((0.0, 0.0, 1.0), (0.0, 0.0, -ratio))),
    )


def primary_efield(coil: DipoleCoil, head_from_coil: F64, points_mm: F64) -> F64:
    """Return −∂A/∂t (n, 3), head frame, for a rising current; arbitrary unit."""
    points = transform_points(inverse(head_from_coil), points_mm)
    apart = points[:, np.newaxis] - coil.position_mm  # (n, n_dipoles, 3)
    distance = np.linalg.norm(apart, axis=2, keepdims=True)
    field = -np.sum(np.cross(coil.moment, apart) / distance**3, axis=1)
    rotated: F64 = field @ head_from_coil[:3, :3].T
    return rotated
