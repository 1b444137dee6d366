"""Signed distance to a head's scalp: around all of it, and where a coil can be."""

import numpy as np

from m2m_rt.efield import ScalpDistance
from m2m_rt.fem.mesh import HeadMesh, outer_boundary
from m2m_rt.fem.surfaces import grid_around, signed_distance
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64

SCALP_HALF_BOX_MM = 110.0
"""The region's grid holds the poses' centres and all nearest windings."""


def scalp_distance(mesh: HeadMesh, spacing_mm: float) -> ScalpDistance:
    """Return the distance to the scalp around the whole head."""
    scalp = outer_boundary(mesh, Tissue.SCALP)
    grid = grid_around(mesh.nodes_mm, margin_mm=12.0, spacing_mm=spacing_mm)
    return signed_distance(scalp, grid)


def scalp_box(mesh: HeadMesh, middle_mm: F64, spacing_mm: float) -> ScalpDistance:
    """Return the distance in the box that the region's coils can be in."""
    corners = middle_mm + np.array((-1.0, 1.0))[:, None] * SCALP_HALF_BOX_MM
    grid = grid_around(corners, margin_mm=0.0, spacing_mm=spacing_mm)
    return signed_distance(outer_boundary(mesh, Tissue.SCALP), grid)
