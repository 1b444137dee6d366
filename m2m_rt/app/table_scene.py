"""What a picture of a table shows: the cortex with a field on it, and the coil."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import spatial

from m2m_rt.efield import EfieldTable
from m2m_rt.fem import HeadMesh, Surface, Tissue, outer_boundary
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64, I64

COLOURED_MM = 5.0
"""A place of the surface farther than this from every point of the region has no
value."""

BLENDED_POINTS = 4
HALF_WIDTH_MM = 90.0
"""Of the views along and beside the coil."""

HANDLE_MM = 75.0
AXIS_MM = 40.0
GAP = 1.5
"""Winding points farther apart than so many median distances to the nearest one are
not joined by a line."""


@dataclass(frozen=True, slots=True)
class Cortex:
    """The outer boundary of the grey matter, as triangles in the head frame."""

    corners_mm: F64
    """(n, 3, 3)"""

    normals: F64
    """(n, 3): unit, out of the cortex."""

    neighbours: I64
    """(n, k): the nearest points of the region."""

    weights: F64
    """(n, k): of the neighbours' values; they sum to one, or are all zero where the
    region is too far away."""

    def blend(self, values: F64) -> F64:
        """Return one value a triangle (n,) of values at the points; NaN beyond them."""
        blended = (self.weights * values[self.neighbours]).sum(axis=1)
        return np.where(self.weights.any(axis=1), blended, np.nan)


@dataclass(frozen=True, slots=True)
class CoilLines:
    """A coil as lines in some frame, mm."""

    windings_mm: tuple[F64, ...]
    """Each (n, 3)."""

    handle_mm: F64
    """(2, 3): from the centre along the handle, −y."""

    axis_mm: F64
    """(2, 3): from the centre along z, into the head."""


@dataclass(frozen=True, slots=True)
class View:
    """From where a scene is looked at."""

    title: str
    right: F64
    up: F64
    """(3,) each: head-frame directions of the picture's x and y."""

    centre_mm: F64
    """(3,): in the middle of the picture."""

    labels: tuple[str, str]
    limits_mm: tuple[float, float, float, float]
    """Of the picture: left, right, bottom, top."""

    with_scalp: bool = False
    """Also where the scalp is, in the plane through the centre."""

    @property
    def toward(self) -> F64:
        """Unit vector to the viewer."""
        return np.cross(self.right, self.up)

    def flat(self, points_mm: F64) -> F64:
        """Return places in the picture (…, 2)."""
        across: F64 = (points_mm - self.centre_mm) @ np.stack(
            (self.right, self.up), axis=1
        )
        return across


def coil_view(pose: F64) -> View:
    """Return what is seen when looking along a coil's z axis, its handle downwards."""
    # With y up and z away from the viewer, x points to the left.
    half = HALF_WIDTH_MM
    return View(
        "along the coil's z axis",
        -pose[:3, 0],
        pose[:3, 1],
        pose[:3, 3],
        ("coil −x (mm)", "coil y (mm)"),
        (-half, half, -half, half),
    )


def cortex_of(mesh: HeadMesh, roi_points_mm: F64) -> Cortex:
    """Return the cortex of a mesh, made ready for values at points (n_roi, 3)."""
    surface = outward(outer_boundary(mesh, Tissue.GM))
    corners_mm = surface.points_mm[surface.triangles]
    across = np.cross(
        corners_mm[:, 1] - corners_mm[:, 0], corners_mm[:, 2] - corners_mm[:, 0]
    )
    n_blended = min(BLENDED_POINTS, len(roi_points_mm))
    away_mm, neighbours = spatial.cKDTree(roi_points_mm).query(
        corners_mm.mean(axis=1), k=np.arange(1, n_blended + 1)
    )
    weights = 1.0 / (away_mm + 0.1) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    weights[away_mm[:, 0] > COLOURED_MM] = 0.0
    return Cortex(
        corners_mm,
        across / np.linalg.norm(across, axis=1, keepdims=True),
        neighbours.astype(np.int64),
        weights,
    )


def outward(surface: Surface) -> Surface:
    """Return a closed surface with its triangles turned so that normals point out."""
    a, b, c = np.moveaxis(surface.points_mm[surface.triangles], 1, 0)
    volume = np.einsum("ni,ni->", a, np.cross(b, c))
    turned = surface.triangles if volume > 0.0 else surface.triangles[:, ::-1]
    return Surface(surface.points_mm, turned)


def coil_lines(table: EfieldTable, head_from_coil: F64) -> CoilLines:
    """Return the windings, the handle and the axis of a table's coil at a pose."""
    centre_and_ends = np.array(
        ((0.0, 0.0, 0.0), (0.0, -HANDLE_MM, 0.0), (0.0, 0.0, AXIS_MM))
    )
    centre, handle, axis = transform_points(head_from_coil, centre_and_ends)
    placed_mm = transform_points(head_from_coil, table.coil.winding_mm)
    return CoilLines(
        joined(placed_mm), np.stack((centre, handle)), np.stack((centre, axis))
    )


def joined(points_mm: F64) -> tuple[F64, ...]:
    """Return runs of points (n, 3) that follow each other closely, as lines.

    A ring's points come in order and are closed; a coil file's dipoles may come in any,
    and are then lines of one point.
    """
    if len(points_mm) < 2:
        return (points_mm,)
    nearest_mm = spatial.cKDTree(points_mm).query(points_mm, k=[2])[0]
    gap_mm = GAP * float(np.median(nearest_mm))
    steps_mm = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    breaks = np.flatnonzero(steps_mm > gap_mm) + 1
    ends = (0, *breaks.tolist(), len(points_mm))
    return tuple(_closed(points_mm[a:b], gap_mm) for a, b in pairwise(ends))


def spread_points(across_mm: F64, toward_mm: F64, spacing_mm: float) -> I64:
    """Return which points to draw arrows at: the foremost of each cell of a view.

    Parameters
    ----------
    across_mm
        Shape (n, 2): places in the view's plane.
    toward_mm
        Shape (n,): how near to the viewer.
    """
    cells = np.floor(across_mm / spacing_mm).astype(np.int64)
    order = np.lexsort((-toward_mm, *cells.T))
    _, first = np.unique(cells[order], axis=0, return_index=True)
    return order[first]


def _closed(line_mm: F64, gap_mm: float) -> F64:
    """Return a line that ends where it begins, if that is a step like the others."""
    if len(line_mm) < 3:
        return line_mm
    near = np.linalg.norm(line_mm[-1] - line_mm[0]) <= gap_mm
    return np.concatenate((line_mm, line_mm[:1])) if near else line_mm
