"""A user's coil file as the sources that tables are built from, and its winding."""

import numpy as np
from scipy import spatial

from m2m_rt.adapters.coil_file import CoilFile
from m2m_rt.errors import DataError
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.current_sources import CurrentSources, sampled_field
from m2m_rt.units import F64

MOST_WINDING_POINTS = 400
"""The region's guard looks at each of them in every query."""

FLAT_MM = 25.0
"""A coil that is less high along z hides its upper layers behind the lowest."""

FIRST_CELL_MM = 2.0
NEGLIGIBLE = 1e-4
"""Of the largest dipole: what fits of measured coils leave at their rims."""


def coil_from_file(found: CoilFile) -> CoilDipoles:
    """Return a coil file's sources with the winding that the region's guard needs.

    Raises
    ------
    DataError
        If the file has a sampled potential only, and no casing that says where the
        windings are.
    """
    other = None
    if len(found.segment_mm) or found.sampled:
        other = CurrentSources(
            segment_mm=found.segment_mm,
            segment_vector_mm=found.segment_vector_mm,
            sampled=tuple(
                sampled_field(each.coil_from_voxel, each.a_tm_per_a)
                for each in found.sampled
            ),
        )
    return CoilDipoles(
        name=found.name,
        position_mm=found.dipole_mm,
        moment_am2=found.dipole_am2,
        winding_mm=winding_points(_source_points(found)),
        other=other,
    )


def winding_points(sources_mm: F64) -> F64:
    """Return the sources (n, 3) that can be the nearest to a head in front of the coil.

    All corners of the convex hull are kept, so that a tilted coil's rim is exact. Of
    the others the one nearest to the head, along z, stands for its neighbours: within
    a column for flat coils, within a cell for bent ones.
    """
    points = np.unique(sources_mm, axis=0)
    hull = _hull_corners(points)
    flat = bool(np.ptp(points[:, 2]) < FLAT_MM)
    cell_mm = FIRST_CELL_MM
    while len(points) > MOST_WINDING_POINTS:
        kept = _foremost(points, cell_mm, flat=flat)
        if len(kept) + len(hull) <= MOST_WINDING_POINTS or cell_mm > 50.0:
            return np.unique(np.concatenate((kept, hull)), axis=0)
        cell_mm *= 1.25
    return points


def _source_points(found: CoilFile) -> F64:
    """Return where the currents are: dipoles that matter, ends of conductors."""
    size = np.linalg.norm(found.dipole_am2, axis=1)
    matters = size > NEGLIGIBLE * size.max(initial=0.0)
    half = 0.5 * found.segment_vector_mm
    ends = (found.segment_mm - half, found.segment_mm + half)
    points = np.concatenate((found.dipole_mm[matters], *ends))
    if found.sampled:
        # A sampled potential does not say where its currents are; its casing does.
        points = np.concatenate((points, found.casing_mm))
        if not len(found.casing_mm):
            raise DataError(
                f"{found.name}: a sampled potential without a casing: where the "
                "windings are is not known, and so not how near the coil may come"
            )
    return points


def _foremost(points: F64, cell_mm: float, *, flat: bool) -> F64:
    axes = 2 if flat else 3
    cells = np.floor(points[:, :axes] / cell_mm).astype(np.int64)
    order = np.lexsort((-points[:, 2], *cells.T))
    _, first = np.unique(cells[order], axis=0, return_index=True)
    return points[order[first]]


def _hull_corners(points: F64) -> F64:
    """Return the hull's corners; those of its outline if all lie in one plane."""
    try:
        hull = spatial.ConvexHull(points)
    except (spatial.QhullError, ValueError):
        try:
            hull = spatial.ConvexHull(points[:, :2])
        except (spatial.QhullError, ValueError):
            return points[:0]
    corners: F64 = points[hull.vertices]
    return corners
