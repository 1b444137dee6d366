"""Regions of interest of any head: a patch of cortex, all of it, or a voxel box."""

from dataclasses import dataclass

import numpy as np
from scipy import spatial

from m2m_rt.efield import RegionOfInterest
from m2m_rt.errors import DataError
from m2m_rt.fem.head import Surface
from m2m_rt.fem.mesh import HeadMesh, boundary_triangles
from m2m_rt.fem.roi import RoiSettings, containing_tets
from m2m_rt.fem.surfaces import sample_surface
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64, I64

CLEARING_STEPS = 8
SAMPLING_MM = 0.5
"""Of the tissue boundaries that points keep clear of."""

NO_BOX = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class CortexSettings:
    """Which points of the cortex a surface region has."""

    depth_mm: float = 1.2
    """Below the outer surface of the grey matter, about the middle of the cortex."""

    spacing_mm: float = 2.0
    """Wanted distance of neighbours; the mesh's triangles are the finest there is."""

    clearance_mm: float = 0.5
    """Least distance to a tissue boundary: recovery is worst there."""


def cortex_roi(mesh: HeadMesh, settings: CortexSettings) -> RegionOfInterest:
    """Return points all over the cortex, in no box.

    Raises
    ------
    DataError
        If no point lies within the grey matter.
    """
    return _surface_roi(mesh, settings, centre_mm=None, radius_mm=np.inf)


def patch_roi(
    mesh: HeadMesh, settings: CortexSettings, *, centre_mm: F64, radius_mm: float
) -> RegionOfInterest:
    """Return the points of the cortex within a distance of a place, in no box.

    Raises
    ------
    DataError
        If no point lies within the grey matter there.
    """
    return _surface_roi(mesh, settings, centre_mm=centre_mm, radius_mm=radius_mm)


def box_roi(mesh: HeadMesh, settings: RoiSettings, centre_mm: F64) -> RegionOfInterest:
    """Return the box's voxels in grey matter near a place, for any head.

    `band_mm` of the settings is the radius about the place.

    Raises
    ------
    DataError
        If no voxel lies within the grey matter there.
    """
    n = settings.box_voxels
    box_from_head = np.eye(4)
    box_from_head[:3, :3] /= settings.voxel_mm
    box_from_head[:3, 3] = (n - 1) / 2.0 - centre_mm / settings.voxel_mm
    index = np.moveaxis(np.indices((n,) * 3), 0, -1).reshape(-1, 3)
    centres = (index - box_from_head[:3, 3]) * settings.voxel_mm
    near = np.linalg.norm(centres - centre_mm, axis=1) <= settings.band_mm
    near[near] = containing_tets(mesh, centres[near], Tissue.GM) >= 0
    if not near.any():
        raise DataError(f"no grey matter within {settings.band_mm:g} mm of {centre_mm}")
    pial = _pial_near(mesh, centre_mm, settings.band_mm + 20.0)
    points_mm, kept = _cleared(mesh, centres[near], settings.clearance_mm)
    return RegionOfInterest(
        points_mm=points_mm,
        normals=_nearest_normals(pial, points_mm),
        box_index=index[near][kept],
        box_shape=(n, n, n),
        box_from_head=box_from_head,
    )


def _surface_roi(
    mesh: HeadMesh,
    settings: CortexSettings,
    *,
    centre_mm: F64 | None,
    radius_mm: float,
) -> RegionOfInterest:
    middle = np.zeros(3) if centre_mm is None else centre_mm
    pial = _pial_near(mesh, middle, radius_mm + settings.depth_mm)
    middles, normals = _triangle_middles(pial)
    thinned = _thinned(middles, settings.spacing_mm)
    deep = middles[thinned] - settings.depth_mm * normals[thinned]
    deep = deep[np.linalg.norm(deep - middle, axis=1) <= radius_mm]
    points_mm, _ = _cleared(mesh, deep, settings.clearance_mm)
    if not len(points_mm):
        raise DataError("no point of the region lies clear of the grey matter's bounds")
    return RegionOfInterest(
        points_mm=points_mm,
        normals=_nearest_normals(pial, points_mm),
        box_index=np.full((len(points_mm), 3), -1),
        box_shape=NO_BOX,
        box_from_head=np.eye(4),
    )


def _pial_near(mesh: HeadMesh, centre_mm: F64, radius_mm: float) -> Surface:
    """Return the outer surface of grey and white matter near a place."""
    triangles = boundary_triangles(mesh.tetrahedra[mesh.tissue <= Tissue.GM])
    away = mesh.nodes_mm[triangles].mean(axis=1) - centre_mm
    near = triangles[np.linalg.norm(away, axis=1) <= radius_mm]
    if not len(near):
        raise DataError(f"no cortex within {radius_mm:g} mm of {centre_mm}")
    return Surface(mesh.nodes_mm, near)


def _triangle_middles(surface: Surface) -> tuple[F64, F64]:
    """Return middles and unit normals (n, 3); a tetrahedron's faces look outwards."""
    corners = surface.points_mm[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return corners.mean(axis=1), normals / np.maximum(length, 1e-12)


def _thinned(points_mm: F64, spacing_mm: float) -> I64:
    """Return one point of each cell of a grid, the nearest to the cell's middle."""
    cells = np.floor(points_mm / spacing_mm)
    away = np.linalg.norm(points_mm / spacing_mm - cells - 0.5, axis=1)
    order = np.lexsort((away, *cells.T))
    _, first = np.unique(cells[order], axis=0, return_index=True)
    kept: I64 = order[first]
    return kept


def _nearest_normals(pial: Surface, points_mm: F64) -> F64:
    middles, normals = _triangle_middles(pial)
    _, nearest = spatial.cKDTree(middles).query(points_mm)
    unit: F64 = normals[nearest]
    return unit


def _cleared(mesh: HeadMesh, points_mm: F64, clearance_mm: float) -> tuple[F64, I64]:
    """Move points off the grey matter's boundaries; return those that made it.

    They move by at most twice the clearance, as those of the motor region do.
    """
    triangles = boundary_triangles(mesh.tetrahedra[mesh.tissue == Tissue.GM])
    middle = mesh.nodes_mm[triangles].mean(axis=1)
    low, high = points_mm.min(axis=0) - 10.0, points_mm.max(axis=0) + 10.0
    near = ((middle > low) & (middle < high)).all(axis=1)
    boundary = sample_surface(Surface(mesh.nodes_mm, triangles[near]), SAMPLING_MM)
    # A boundary's nearest sample is farther than the boundary: at worst by this.
    wanted_mm = np.hypot(clearance_mm, SAMPLING_MM / np.sqrt(3.0))
    tree = spatial.cKDTree(boundary)
    moved = points_mm.copy()
    for _ in range(CLEARING_STEPS):
        distance, nearest = tree.query(moved)
        short_mm = np.maximum(0.0, 1.02 * wanted_mm - distance)
        away = (moved - boundary[nearest]) / np.maximum(distance, 1e-9)[:, None]
        moved += short_mm[:, None] * away
    clear = tree.query(moved)[0] >= wanted_mm
    clear &= np.linalg.norm(moved - points_mm, axis=1) <= 2.0 * clearance_mm
    clear &= containing_tets(mesh, moved, Tissue.GM) >= 0
    kept = np.flatnonzero(clear)
    return moved[kept], kept
