"""Nested tissue occupancies on a voxel grid, from closed surfaces."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import ndimage

from m2m_rt.fem.head import HeadSurfaces, Surface
from m2m_rt.units import F32, F64, Bools


class Tissue(IntEnum):
    """Tissues from inside to outside, with SimNIBS's numbers."""

    WM = 1
    GM = 2
    CSF = 3
    SKULL = 4
    SCALP = 5


SKULL_THICKNESS_MM = 6.0
VOXEL_MM = 1.0
_MARGIN_MM = 6.0
_FINER = 2
"""Occupancy is counted on voxels this many times smaller."""

_SMOOTHING_MM = 0.7
SMALLEST_PART_MM3 = 1000.0
"""Smaller ones are crumbs of a segmentation."""


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """A regular grid in the head frame."""

    origin_mm: F64
    """(3,): centre of voxel (0, 0, 0)."""

    spacing_mm: float
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Occupancies:
    """How much of each voxel lies inside each tissue's outer boundary, 0…1."""

    grid: VoxelGrid
    inside: dict[Tissue, F32]
    """(nx, ny, nz) each. Nested: a tissue's values include all tissues inside it."""

    def tissue_at(self, points_mm: F64) -> F32:
        """Return the tissue number (n,) at points (n, 3), 0 outside the head."""
        index = ((points_mm - self.grid.origin_mm) / self.grid.spacing_mm).T
        labels = np.zeros(len(points_mm), dtype=np.float32)
        for tissue in sorted(Tissue, reverse=True):  # the innermost is written last
            inside = ndimage.map_coordinates(self.inside[tissue], index, order=1) > 0.5
            labels[inside] = tissue
        return labels


def occupancies(head: HeadSurfaces) -> Occupancies:
    """Return smooth nested occupancies; every layer is at least about a voxel thick.

    The cortex is kept as it is; the layers around it give way.
    """
    grid = _grid_around(head.scalp)
    gm = _smooth_parts(_union(grid, head.pial))
    wm = np.minimum(_smooth_parts(_union(grid, head.white)), _eroded(gm))
    csf = np.maximum(_occupancy(grid, head.inner_skull), _dilated(gm, voxels=2))
    skull = _grown(csf, SKULL_THICKNESS_MM / grid.spacing_mm)
    scalp = np.maximum(_occupancy(grid, head.scalp), _dilated(skull, voxels=3))
    inside = {
        Tissue.WM: wm,
        Tissue.GM: gm,
        Tissue.CSF: csf,
        Tissue.SKULL: skull,
        Tissue.SCALP: scalp,
    }
    return Occupancies(grid, {t: _smoothed(field) for t, field in inside.items()})


def rasterise(surface: Surface, grid: VoxelGrid) -> Bools:
    """Return which voxel centres lie inside a closed surface, by parity along z."""
    voxels, sizes = _crossings(surface, grid)
    toggles = np.zeros(int(np.prod(sizes)), dtype=bool)
    flat, counts = np.unique(np.ravel_multi_index(voxels, sizes), return_counts=True)
    toggles[flat[counts % 2 == 1]] = True
    inside = np.bitwise_xor.accumulate(toggles.reshape(sizes), axis=2)
    return np.ascontiguousarray(inside[:, :, : grid.shape[2]])


def _crossings(
    surface: Surface, grid: VoxelGrid
) -> tuple[tuple[np.ndarray, ...], tuple[int, int, int]]:
    """Return the first voxel above each crossing of a vertical line and a triangle."""
    # An offset that no data set shares: a grid line never meets a vertex exactly.
    shift_mm = np.array((1.37e-6, 2.11e-6, 0.0))
    corners = (surface.points_mm - grid.origin_mm - shift_mm) / grid.spacing_mm
    corners = corners[surface.triangles]  # (m, 3 corners, 3), in voxels
    low = np.ceil(corners[:, :, :2].min(axis=1)).astype(np.int64)
    width = int((corners[:, :, :2].max(axis=1) - low).max()) + 1
    steps = np.stack(np.meshgrid(*[np.arange(width)] * 2, indexing="ij"), axis=-1)
    columns = low[:, None] + steps.reshape(1, -1, 2)  # (m, width², 2)
    weights = _barycentric(corners, columns)
    on_grid = ((columns >= 0) & (columns < grid.shape[:2])).all(axis=-1)
    hit = (weights >= 0.0).all(axis=-1) & on_grid
    height = np.einsum("mwc,mc->mw", weights, corners[:, :, 2])[hit]
    first_above = np.clip(np.ceil(height).astype(np.int64), 0, grid.shape[2])
    i, j = columns[hit].T
    return (i, j, first_above), (grid.shape[0], grid.shape[1], grid.shape[2] + 1)


def _barycentric(corners: F64, columns: np.ndarray) -> F64:
    """Return weights (m, w, 3) of columns (m, w, 2) in triangles seen from above."""
    a, b, c = (corners[:, None, k, :2] for k in range(3))
    area = _cross2(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):  # triangles seen edge-on
        w_a = _cross2(b - columns, c - columns) / area
        w_b = _cross2(c - columns, a - columns) / area
        weights = np.stack((w_a, w_b, 1.0 - w_a - w_b), axis=-1)
    return np.where(np.isfinite(weights), weights, -1.0)


def _cross2(u: F64, v: F64) -> F64:
    cross: F64 = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return cross


def _grid_around(surface: Surface) -> VoxelGrid:
    low = surface.points_mm.min(axis=0) - _MARGIN_MM
    size = surface.points_mm.max(axis=0) + _MARGIN_MM - low
    nx, ny, nz = (int(n) for n in np.ceil(size / VOXEL_MM) + 1)
    return VoxelGrid(low, VOXEL_MM, (nx, ny, nz))


def _occupancy(grid: VoxelGrid, surface: Surface) -> F32:
    fine_mm = grid.spacing_mm / _FINER
    nx, ny, nz = grid.shape
    fine = VoxelGrid(
        origin_mm=grid.origin_mm - (grid.spacing_mm - fine_mm) / 2.0,
        spacing_mm=fine_mm,
        shape=(nx * _FINER, ny * _FINER, nz * _FINER),
    )
    parts = rasterise(surface, fine).reshape(nx, _FINER, ny, _FINER, nz, _FINER)
    occupancy: F32 = parts.mean(axis=(1, 3, 5), dtype=np.float32)
    return occupancy


def _union(grid: VoxelGrid, surfaces: tuple[Surface, ...]) -> F32:
    parts = np.stack([_occupancy(grid, surface) for surface in surfaces])
    union: F32 = np.minimum(parts.sum(axis=0), np.float32(1.0))
    return union


def _smooth_parts(field: F32) -> F32:
    """Drop crumbs and fill holes; they would become tiny closed surfaces."""
    solid = ndimage.binary_fill_holes(field > 0.5)
    parts, n_parts = ndimage.label(solid)
    sizes = ndimage.sum_labels(solid, parts, np.arange(n_parts + 1))
    keep = ndimage.binary_dilation((sizes >= SMALLEST_PART_MM3)[parts] & solid)
    filled = np.where(solid, np.maximum(field, np.float32(0.5)), field)
    return np.where(keep, filled, np.float32(0.0))


def _smoothed(field: F32) -> F32:
    smooth: F32 = ndimage.gaussian_filter(field, _SMOOTHING_MM / VOXEL_MM)
    return smooth


def _eroded(field: F32) -> F32:
    eroded: F32 = ndimage.grey_erosion(field, size=3)
    return eroded


def _dilated(field: F32, *, voxels: int) -> F32:
    dilated: F32 = ndimage.grey_dilation(field, size=2 * voxels + 1)
    return dilated


def _grown(field: F32, voxels: float) -> F32:
    """Return the occupancy of everything within a distance of a solid."""
    away = ndimage.distance_transform_edt(field <= 0.5)  # 1 in the first voxel outside
    grown: F32 = np.clip(voxels + 1.0 - away, 0.0, 1.0).astype(np.float32)
    return grown
