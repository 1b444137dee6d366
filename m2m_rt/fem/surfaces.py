"""Points on surfaces, distances to them, and thinning to a wanted spacing."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage, spatial

from m2m_rt.efield import ScalpDistance
from m2m_rt.fem.head import Surface
from m2m_rt.fem.tissues import VoxelGrid, rasterise
from m2m_rt.units import F64, I64

SAMPLING_MM = 0.7
"""Spacing of the points that stand for a surface: a distance of 4 mm is then at most
0.02 mm too large."""

NEAR_MM = 8.0
"""Farther away coarser points do: deep or distant nodes make a search slow."""

FAR_SAMPLING_MM = 2.0


def sample_surface(surface: Surface, spacing_mm: float) -> F64:
    """Return points (n, 3) on all triangles, no place farther from one than spacing."""
    corners = surface.points_mm[surface.triangles]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    pieces = np.maximum(1, np.ceil(longest / spacing_mm)).astype(np.int64)
    points = []
    for n in np.unique(pieces):
        i, j = np.nonzero(np.add.outer(np.arange(n + 1), np.arange(n + 1)) <= n)
        weights = np.column_stack((i, j, n - i - j)) / n
        points.append(np.einsum("pc,mci->mpi", weights, corners[pieces == n]))
    # Neighbouring triangles share points; repeated ones make search trees slow.
    return np.unique(np.concatenate([p.reshape(-1, 3) for p in points]), axis=0)


def signed_distance(surface: Surface, grid: VoxelGrid) -> ScalpDistance:
    """Return the distance to a closed surface at grid nodes, positive outside."""
    inside = rasterise(surface, grid)
    rough_mm = (
        np.where(
            inside,
            ndimage.distance_transform_edt(inside),
            ndimage.distance_transform_edt(~inside),
        ).ravel()
        * grid.spacing_mm
    )
    nodes_mm = np.moveaxis(np.indices(grid.shape), 0, -1) * grid.spacing_mm
    nodes_mm = (nodes_mm + grid.origin_mm).reshape(-1, 3)
    distance_mm = np.empty(len(nodes_mm))
    near = rough_mm < NEAR_MM
    for part, spacing_mm in ((near, SAMPLING_MM), (~near, FAR_SAMPLING_MM)):
        # On a surface an unbalanced tree answers several times faster.
        tree = spatial.cKDTree(
            sample_surface(surface, spacing_mm),
            compact_nodes=False,
            balanced_tree=False,
        )
        distance_mm[part] = tree.query(nodes_mm[part], workers=-1)[0]
    signed = np.where(inside, -1.0, 1.0) * distance_mm.reshape(grid.shape)
    return ScalpDistance(grid.origin_mm, grid.spacing_mm, signed.astype(np.float32))


def grid_around(points_mm: F64, *, margin_mm: float, spacing_mm: float) -> VoxelGrid:
    """Return a grid that holds all points and a margin."""
    low = points_mm.min(axis=0) - margin_mm
    size = points_mm.max(axis=0) + margin_mm - low
    nx, ny, nz = (int(n) for n in np.ceil(size / spacing_mm) + 1)
    return VoxelGrid(low, spacing_mm, (nx, ny, nz))


def level_set(distance: ScalpDistance, level_mm: float) -> tuple[F64, F64]:
    """Return dense points (n, 3) at a distance, and unit normals to that level."""
    from skimage.measure import marching_cubes

    points, _, normals, _ = marching_cubes(  # type: ignore[no-untyped-call] # untyped
        distance.distance_mm, level=level_mm, gradient_direction="ascent"
    )
    points_mm = points.astype(np.float64) * distance.spacing_mm + distance.origin_mm
    return points_mm, normals.astype(np.float64)


def thin(points_mm: F64, centre_mm: F64, spacing: Callable[[F64], F64]) -> I64:
    """Return which of many points to keep, nearest to the centre first.

    Parameters
    ----------
    spacing
        Wanted spacing, mm, as a function of the distance to the centre.
    """
    distance = np.linalg.norm(points_mm - centre_mm, axis=1)
    wanted_mm = spacing(distance)
    tree = spatial.cKDTree(points_mm)
    free = np.ones(len(points_mm), dtype=bool)
    kept = []
    for point in np.argsort(distance, kind="stable"):
        if free[point]:
            kept.append(point)
            free[tree.query_ball_point(points_mm[point], wanted_mm[point])] = False
    return np.array(kept)


def thin_to_number(
    points_mm: F64, centre_mm: F64, *, n_wanted: int, nearest_mm: float
) -> tuple[I64, F64]:
    """Return about `n_wanted` points and each one's share of the area, mm².

    The spacing is `nearest_mm` up to 45 mm from the centre and then grows linearly, as
    fast as the wanted number needs.
    """
    slow, fast = 0.0, 1.0
    for _ in range(12):
        growth = (slow + fast) / 2.0
        kept = thin(points_mm, centre_mm, _graded(nearest_mm, growth))
        slow, fast = (growth, fast) if len(kept) > n_wanted else (slow, growth)
    distance = np.linalg.norm(points_mm[kept] - centre_mm, axis=1)
    return kept, _graded(nearest_mm, growth)(distance) ** 2


def _graded(nearest_mm: float, growth: float) -> Callable[[F64], F64]:
    def spacing(distance_mm: F64) -> F64:
        return nearest_mm + growth * np.maximum(0.0, distance_mm - 45.0)

    return spacing
