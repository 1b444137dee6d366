"""A region of interest in the grey shell of a layered ball."""

import numpy as np

from m2m_rt.efield import RegionOfInterest
from m2m_rt.units import F64


def roi_in_shell(knob_mm: F64, n_roi: int = 120) -> RegionOfInterest:
    """Points of the grey shell below the coil; too few to fill a box."""
    rng = np.random.default_rng(7)
    towards = knob_mm / np.linalg.norm(knob_mm)
    directions = rng.normal(scale=0.3, size=(n_roi, 3)) + towards
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return RegionOfInterest(
        points_mm=64.0 * directions,
        normals=directions,
        box_index=np.full((n_roi, 3), -1),
        box_shape=(32, 32, 32),
        box_from_head=np.eye(4),
    )
