"""Region of interest: grey-matter voxels of the left motor strip, and its geometry."""

from dataclasses import dataclass

import numpy as np
from scipy import spatial

from m2m_rt.efield import RegionOfInterest
from m2m_rt.fem.head import HeadSurfaces, Surface, hand_knob_mm, outward_vertex_normals
from m2m_rt.fem.mesh import HeadMesh, boundary_triangles
from m2m_rt.fem.surfaces import sample_surface
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64, I64, Bools

MOTOR_STRIP_MM = (
    (-12.0, -30.0, 68.0),
    (-24.0, -27.0, 65.0),
    (-38.0, -22.0, 57.0),
    (-48.0, -13.0, 48.0),
    (-56.0, -5.0, 36.0),
)
"""From the trunk over the hand knob to the face, along the left central sulcus of
fsaverage. No atlas ships with the wheels, so M1 is a band about this line."""

CLEARING_STEPS = 8

TRIED_AT_ONCE = 300_000
"""Tetrahedra, in a search for those that hold points: about 100 MB."""


@dataclass(frozen=True, slots=True)
class RoiSettings:
    """Which cortical points the table answers for."""

    voxel_mm: float = 2.0
    box_voxels: int = 32
    band_mm: float = 18.0
    """Half width of the M1 band about the motor strip."""

    clearance_mm: float = 0.5
    """Least distance of a point to a tissue boundary: recovery is worst there."""


def motor_roi(
    head: HeadSurfaces, mesh: HeadMesh, settings: RoiSettings
) -> RegionOfInterest:
    """Return the box's voxels whose centres lie in grey matter near the motor strip.

    The cortex is about a voxel thick, so half of the centres are nearer to a tissue
    boundary than the clearance. The field of such a voxel is taken at a point moved
    off the boundary, by at most twice the clearance; `points_mm` are these points.
    """
    box_from_head = _box_from_head(hand_knob_mm(head), settings)
    index = np.moveaxis(np.indices((settings.box_voxels,) * 3), 0, -1).reshape(-1, 3)
    centres = (index - box_from_head[:3, 3]) * settings.voxel_mm
    near = distance_to_line(centres, np.array(MOTOR_STRIP_MM)) <= settings.band_mm
    near[near] = containing_tets(mesh, centres[near], Tissue.GM) >= 0
    points_mm, clear = _cleared(mesh, centres[near], settings.clearance_mm)
    points_mm, index = points_mm[clear], index[near][clear]
    return RegionOfInterest(
        points_mm=points_mm,
        normals=_pial_normals(head.pial[0], points_mm),
        box_index=index,
        box_shape=(settings.box_voxels,) * 3,
        box_from_head=box_from_head,
    )


def distance_to_line(points_mm: F64, line_mm: F64) -> F64:
    """Return the distance (n,) of points (n, 3) to a polyline (m, 3)."""
    start, step = line_mm[:-1], np.diff(line_mm, axis=0)
    away = points_mm[:, None] - start  # (n, m − 1, 3)
    along = np.einsum("nmi,mi->nm", away, step) / np.einsum("mi,mi->m", step, step)
    foot = start + np.clip(along, 0.0, 1.0)[:, :, None] * step
    distance: F64 = np.linalg.norm(points_mm[:, None] - foot, axis=2).min(axis=1)
    return distance


def containing_tets(
    mesh: HeadMesh, points_mm: F64, tissue: Tissue, *, n_tried: int = 48
) -> I64:
    """Return the tetrahedron (n,) of a tissue that holds each point, −1 for none.

    The `n_tried` with the nearest centroids are looked at.
    """
    of_tissue = np.flatnonzero(mesh.tissue == tissue)
    corners = mesh.nodes_mm[mesh.tetrahedra[of_tissue]]
    tree = spatial.cKDTree(corners.mean(axis=1))
    # A long tetrahedron's centroid need not be the nearest one: try several.
    ranks = np.arange(1, min(n_tried, len(of_tissue)) + 1)
    holders = np.full(len(points_mm), -1)
    at_once = max(1, TRIED_AT_ONCE // len(ranks))
    for start in range(0, len(points_mm), at_once):
        some_mm = points_mm[start : start + at_once]
        row = _holding(corners, tree.query(some_mm, k=ranks)[1], some_mm)
        holders[start : start + at_once] = np.where(row >= 0, of_tissue[row], -1)
    return holders


def _holding(corners: F64, nearest: I64, points_mm: F64) -> I64:
    """Return which of the nearest tetrahedra (n, k) holds each point, −1 for none."""
    origin = corners[nearest, 0]  # (n, k, 3)
    jacobian = (corners[nearest, 1:] - origin[:, :, None]).transpose(0, 1, 3, 2)
    away = points_mm[:, None] - origin
    weights = np.linalg.solve(jacobian, away[..., None])[..., 0]  # (n, k, 3)
    least = np.minimum(weights.min(axis=2), 1.0 - weights.sum(axis=2))
    best = least.argmax(axis=1)
    rows = np.arange(len(points_mm))
    return np.where(least[rows, best] >= -1e-9, nearest[rows, best], -1)


def _box_from_head(centre_mm: F64, settings: RoiSettings) -> F64:
    """Return the affine that puts the box's middle on the hand knob."""
    box_from_head = np.eye(4)
    box_from_head[:3, :3] /= settings.voxel_mm
    middle = (settings.box_voxels - 1) / 2.0
    box_from_head[:3, 3] = middle - centre_mm / settings.voxel_mm
    return box_from_head


def _cleared(mesh: HeadMesh, centres_mm: F64, clearance_mm: float) -> tuple[F64, Bools]:
    """Return points moved off the grey matter's boundaries, and which made it."""
    boundary_mm = _boundary_points(mesh, centres_mm)
    tree = spatial.cKDTree(boundary_mm)
    points_mm = centres_mm.copy()
    for _ in range(CLEARING_STEPS):
        distance, nearest = tree.query(points_mm)
        short_mm = np.maximum(0.0, 1.02 * clearance_mm - distance)
        away = (points_mm - boundary_mm[nearest]) / distance[:, None]
        points_mm += short_mm[:, None] * away
    clear: Bools = tree.query(points_mm)[0] >= clearance_mm
    moved_mm = np.linalg.norm(points_mm - centres_mm, axis=1)
    clear &= moved_mm <= 2.0 * clearance_mm
    clear &= containing_tets(mesh, points_mm, Tissue.GM) >= 0
    return points_mm, clear


def _boundary_points(mesh: HeadMesh, points_mm: F64) -> F64:
    """Return dense points on the grey matter's boundaries near some points."""
    triangles = boundary_triangles(mesh.tetrahedra[mesh.tissue == Tissue.GM])
    middle = mesh.nodes_mm[triangles].mean(axis=1)
    low, high = points_mm.min(axis=0) - 10.0, points_mm.max(axis=0) + 10.0
    near = ((middle > low) & (middle < high)).all(axis=1)
    return sample_surface(Surface(mesh.nodes_mm, triangles[near]), 0.2)


def _pial_normals(pial: Surface, points_mm: F64) -> F64:
    _, nearest = spatial.cKDTree(pial.points_mm).query(points_mm)
    normals: F64 = outward_vertex_normals(pial)[nearest]
    return normals
