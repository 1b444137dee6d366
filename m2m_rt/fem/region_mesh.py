"""The mesh that a table is solved on: adapted to what its coil does in its region."""

from collections.abc import Callable

import numpy as np

from m2m_rt.efield import RegionGuard, draw_pose
from m2m_rt.fem.adaptive import AdaptSettings, adapted_mesh
from m2m_rt.fem.build import TableSetup
from m2m_rt.fem.focus import in_focus
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.sources import pose_edge_integrals
from m2m_rt.units import F64, I64

N_DRAWN = 3
"""Poses beside the planned one; errors at singular edges depend little on the pose."""


def region_mesh(
    mesh: HeadMesh,
    setup: TableSetup,
    settings: AdaptSettings,
    progress: Callable[[float], None] = lambda _: None,
) -> HeadMesh:
    """Return the mesh refined for the field of a set-up's coil in its region.

    Around the points in focus: a region of the whole cortex is not refined all over.
    """
    region, roi_mm = setup.region, setup.roi.points_mm
    planned = region.planned_head_from_coil
    guard, rng = RegionGuard(region, setup.coil.winding_mm), np.random.default_rng(5)
    drawn = [draw_pose(region, guard, rng) for _ in range(N_DRAWN)]
    poses = np.stack([planned, *drawn])

    def integrals(nodes_mm: F64, edges: I64) -> F64:
        return pose_edge_integrals(setup.coil, poses, nodes_mm=nodes_mm, edges=edges)

    focus_mm = roi_mm[in_focus(roi_mm, planned[:3, 3])]
    return adapted_mesh(mesh, focus_mm, integrals, settings, progress)
