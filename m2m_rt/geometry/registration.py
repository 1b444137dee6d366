"""Rigid fit of paired points, how noisy the points are, and what that costs elsewhere.

The fit is that of Kabsch (1976) and Horn (1987), without a scale. Errors follow
Fitzpatrick, West and Maurer (1998), IEEE Trans. Med. Imaging 17, 694: the fit absorbs
six degrees of freedom, so residuals are smaller than the noise that made them.
"""

from dataclasses import dataclass
from math import exp, lgamma, sqrt

import numpy as np

from m2m_rt.geometry.rigid import transform_points
from m2m_rt.units import F64

FIT_FREEDOMS = 6
"""Three shifts and three rotations."""


@dataclass(frozen=True, slots=True)
class PointPairs:
    """The same points of a body, in two frames."""

    names: tuple[str, ...]
    a_mm: F64
    """(n, 3): in the frame that is asked for, such as the head's."""

    b_mm: F64
    """(n, 3): in the other frame, such as the navigator's."""


@dataclass(frozen=True, slots=True)
class PointNoise:
    """How far measured points lie from the true ones, per axis, both frames together.

    Times √3 it is the fiducial localisation error (FLE) as a distance.
    """

    noise_mm: float
    """Standard deviation; unbiased, the fit's six degrees of freedom are counted."""

    low_mm: float
    """Lower end of the 95 % interval; few points leave a wide one."""

    high_mm: float
    """Upper end."""


@dataclass(frozen=True, slots=True)
class RigidFit:
    """The rigid transform that brings points of frame b closest to those of a."""

    a_from_b: F64
    residual_mm: F64
    """(n, 3): point in a minus the moved point of b."""

    noise: PointNoise

    @property
    def residual_rms_mm(self) -> float:
        """Root mean square distance that is left: the fiducial registration error."""
        return float(np.sqrt(np.mean(np.sum(self.residual_mm**2, axis=1))))


def fit_rigid(*, a_mm: F64, b_mm: F64) -> RigidFit:
    """Return the least squares rigid transform of (n, 3) points, n ≥ 3, not collinear.

    It has no reflection and no scale; `register_points` also asks whether one would
    fit better.
    """
    centre_a, centre_b = a_mm.mean(axis=0), b_mm.mean(axis=0)
    u, _, vt = np.linalg.svd((b_mm - centre_b).T @ (a_mm - centre_a))
    proper = np.diag((1.0, 1.0, np.linalg.det(u @ vt)))
    a_from_b = np.eye(4)
    a_from_b[:3, :3] = (u @ proper @ vt).T
    a_from_b[:3, 3] = centre_a - a_from_b[:3, :3] @ centre_b
    residual_mm = a_mm - transform_points(a_from_b, b_mm)
    return RigidFit(a_from_b, residual_mm, point_noise(residual_mm))


def point_noise(residual_mm: F64) -> PointNoise:
    """Return the noise per axis behind the residuals (n, 3) of a rigid fit, n ≥ 3.

    The sum of squares is σ² times a chi-square of 3n − 6 degrees of freedom.
    """
    # Not at the top: a tenth of a second of every process that knows poses.
    from scipy.special import chdtri

    freedoms = residual_mm.size - FIT_FREEDOMS
    squares = float(np.sum(residual_mm**2))
    # A root of a mean is too small on average, by 8 % at three points.
    shrinkage = sqrt(2.0 / freedoms) * exp(
        lgamma((freedoms + 1) / 2) - lgamma(freedoms / 2)
    )
    return PointNoise(
        noise_mm=sqrt(squares / freedoms) / shrinkage,
        low_mm=sqrt(squares / float(chdtri(freedoms, 0.025))),
        high_mm=sqrt(squares / float(chdtri(freedoms, 0.975))),
    )


def target_error_mm(points_a_mm: F64, targets_a_mm: F64, *, noise_mm: float) -> F64:
    """Return how far off a registered target is expected to be, root mean square.

    Fitzpatrick et al. (1998), equation 46: the farther a target from the points' centre
    and principal axes, the more a wrong rotation moves it.

    Parameters
    ----------
    points_a_mm
        (n, 3): the points that were registered.
    targets_a_mm
        (m, 3): places in the same frame.
    noise_mm
        Of a point, per axis.

    Returns
    -------
        (m,), mm.
    """
    centre = points_a_mm.mean(axis=0)
    spread = points_a_mm - centre
    _, _, axes = np.linalg.svd(spread, full_matrices=False)  # rows
    points_from_axis = np.mean(_squared_distance(spread, axes), axis=0)  # (3,)
    targets_from_axis = _squared_distance(targets_a_mm - centre, axes)  # (m, 3)
    lever = 1.0 + (targets_from_axis / points_from_axis).sum(axis=1) / 3.0
    error: F64 = np.sqrt(3.0 * noise_mm**2 / len(points_a_mm) * lever)
    return error


def _squared_distance(places: F64, axes: F64) -> F64:
    """Return (m, 3): squared distance of places (m, 3) from each axis (a row)."""
    along = places @ axes.T
    squared: F64 = np.sum(places**2, axis=1)[:, np.newaxis] - along**2
    return squared
