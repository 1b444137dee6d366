"""The mesh that a table is solved on: adapted to what its coil does in its region."""

from collections.abc import Callable

import numpy as np

from m2m_rt.efield import PlannedRegion, RegionGuard, draw_pose
from m2m_rt.fem.adaptive import AdaptSettings, adapted_mesh
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.sources import coil_edge_integrals
from m2m_rt.units import F64, I64

N_DRAWN = 3
"""Poses beside the planned one; errors at singular edges depend little on the pose."""


def region_mesh(
    mesh: HeadMesh,
    roi_points_mm: F64,
    coil: CoilDipoles,
    region: PlannedRegion,
    progress: Callable[[float], None] = lambda _: None,
) -> HeadMesh:
    """Return the mesh refined for the field at the ROI of coils in the region."""
    guard, rng = RegionGuard(region, coil.winding_mm), np.random.default_rng(5)
    drawn = [draw_pose(region, guard, rng) for _ in range(N_DRAWN)]
    poses = [region.planned_head_from_coil, *drawn]

    def integrals(nodes_mm: F64, edges: I64) -> F64:
        each = [
            coil_edge_integrals(coil, pose, nodes_mm=nodes_mm, edges=edges)
            for pose in poses
        ]
        return np.column_stack(each)

    return adapted_mesh(mesh, roi_points_mm, integrals, AdaptSettings(), progress)
