"""Where else the coil may be: probes beside the reported pose, and what lies between.

A registration that slipped moves every true pose by the same vector of the head. Along
the planned coil's plane it is (x, y) in mm; features there are interpolated from five
look-ups, the reported pose and four probes.
"""

import numpy as np

from m2m_rt.units import F32, F64

PROBE_MM = 5.0
"""Of each probe from the reported pose."""

PROBES_XY = np.array(((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)))
"""Their directions along the planned coil's x and y axes."""


def moved_pose(head_from_coil: F64, planned_head_from_coil: F64, xy_mm: F64) -> F64:
    """Return poses (…, 4, 4) moved along the planned coil's plane by xy (2,)."""
    moved = np.array(head_from_coil, np.float64)
    moved[..., :3, 3] += planned_head_from_coil[:3, :2] @ xy_mm
    return moved


def probe_weights(xy_mm: F64) -> F64:
    """Return (n, 5): how features at displacements (n, 2) mix the pose's and probes'.

    Quadratic along each axis, exact at the probes; rows sum to one.

    >>> probe_weights(np.array([[5.0, 0.0]])).round(3).tolist()
    [[0.0, 1.0, 0.0, 0.0, 0.0]]
    """
    along = xy_mm / PROBE_MM  # (n, 2)
    square = along**2
    weights = np.stack(
        (
            1.0 - square.sum(axis=1),
            0.5 * (square[:, 0] + along[:, 0]),
            0.5 * (square[:, 0] - along[:, 0]),
            0.5 * (square[:, 1] + along[:, 1]),
            0.5 * (square[:, 1] - along[:, 1]),
        ),
        axis=1,
    )
    return np.asarray(weights + 0.0)


def features_at(features: F32, probe_features: F32, xy_mm: F64) -> F64:
    """Return features (n, n_features) at displacements (n, 2) from a pose.

    Parameters
    ----------
    features
        (n_features,) at the pose.
    probe_features
        (4, n_features) at the probes.
    xy_mm
        (n, 2)
    """
    five = np.concatenate((features[np.newaxis], probe_features)).astype(np.float64)
    return np.asarray(probe_weights(xy_mm) @ five)
