"""The compiled inner loops that judge a pose: rigid, placed in the region, clear.

They live in one file, and take settings as arguments, because numba's on-disk cache
notices changes of a function's own file only. Nothing here is compiled with
`fastmath` and no sum is reordered: the same input gives the same bytes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from m2m_rt.units import F32, F64, I64

OK = 0
NOT_FINITE = 1
NOT_RIGID = 2
OUTSIDE_REGION = 3
WRONG_SIDE = 4
FACING_AWAY = 5
TILTED = 6
TOO_NEAR = 7
TOO_FAR = 8
OUTSIDE_COIL_GRID = 9

FLAT_GRADIENT = 1e-3
"""Below this slope (a distance has slope 1) the scalp's normal has no meaning."""


class Grid(NamedTuple):
    """Values at the nodes of a regular grid; trilinear between them."""

    origin_mm: F64
    """(3,)"""

    nodes_per_mm: float

    values: F32
    """(nx, ny, nz)"""


class Guard(NamedTuple):
    """What a pose is judged by."""

    planned_centre_mm: F64
    """(3,), head frame."""

    planned_outward: F64
    """(3,): the scalp's outward normal at the planned centre."""

    limits: F64
    """(5,): largest offset mm, cosine of the largest tilt, least and largest distance
    of the winding mm, largest entry of RᵀR − 1."""

    winding_mm: F64
    """(3, n), coil frame: rows of x, y and z, so that loops over n vectorise."""

    scalp: Grid
    """Signed distance in the head frame, mm, positive outside."""


@njit(cache=True)
def _node_below(grid_at: float, n_nodes: int) -> int:
    return min(max(int(np.floor(grid_at)), 0), n_nodes - 2)


@njit(cache=True)
def to_grid(grid: Grid, point_mm: F64, at: F64) -> bool:
    """Write a point's place in grid units into `at`; return whether it is inside."""
    inside = True
    for axis in range(3):
        at[axis] = (point_mm[axis] - grid.origin_mm[axis]) * grid.nodes_per_mm
        inside &= 0.0 <= at[axis] <= grid.values.shape[axis] - 1
    return inside


@njit(cache=True)
def interpolate(values: F32, at: F64) -> float:
    """Return the trilinear value at a place inside the grid, in grid units."""
    x = _node_below(at[0], values.shape[0])
    y = _node_below(at[1], values.shape[1])
    z = _node_below(at[2], values.shape[2])
    u, v, w = at[0] - x, at[1] - y, at[2] - z
    low = (values[x, y, z] * (1 - w) + values[x, y, z + 1] * w) * (1 - v)
    low += (values[x, y + 1, z] * (1 - w) + values[x, y + 1, z + 1] * w) * v
    x += 1
    high = (values[x, y, z] * (1 - w) + values[x, y, z + 1] * w) * (1 - v)
    high += (values[x, y + 1, z] * (1 - w) + values[x, y + 1, z + 1] * w) * v
    blended: float = low * (1 - u) + high * u
    return blended


@njit(cache=True)
def outward_normal(scalp: Grid, point_mm: F64, normal: F64) -> bool:
    """Write the unit gradient of the distance into `normal`; False if there is none.

    Central differences over one node each way smooth the facets of the scalp.
    """
    at = np.empty(3)
    to_grid(scalp, point_mm, at)
    length = 0.0
    for axis in range(3):
        if not 1.0 <= at[axis] <= scalp.values.shape[axis] - 2:
            return False
        at[axis] += 1.0
        ahead = interpolate(scalp.values, at)
        at[axis] -= 2.0
        normal[axis] = ahead - interpolate(scalp.values, at)
        at[axis] += 1.0
        length += normal[axis] ** 2
    length = np.sqrt(length)
    if not length * scalp.nodes_per_mm / 2.0 > FLAT_GRADIENT:
        return False
    normal /= length
    return True


@njit(cache=True)
def _judge_matrix(pose: F64, tolerance: float) -> int:
    """`geometry.rigid_fault` again, compiled; a test holds the two together."""
    if not np.isfinite(pose).all():
        return NOT_FINITE
    if pose[3, 0] != 0.0 or pose[3, 1] != 0.0 or pose[3, 2] != 0.0 or pose[3, 3] != 1.0:
        return NOT_RIGID
    for a in range(3):
        for b in range(3):
            dot = 0.0
            for row in range(3):
                dot += pose[row, a] * pose[row, b]
            if not abs(dot - (1.0 if a == b else 0.0)) <= tolerance:
                return NOT_RIGID
    x, y, z = pose[:3, 0], pose[:3, 1], pose[:3, 2]
    handedness = x[0] * (y[1] * z[2] - y[2] * z[1])
    handedness += x[1] * (y[2] * z[0] - y[0] * z[2])
    handedness += x[2] * (y[0] * z[1] - y[1] * z[0])
    return OK if handedness > 0.0 else NOT_RIGID


@njit(cache=True)
def _judge_placement(pose: F64, guard: Guard) -> int:
    """Judge the centre's offset and the tilt of the coil's axis."""
    centre_mm = pose[:3, 3].copy()
    normal = np.empty(3)
    if not outward_normal(guard.scalp, centre_mm, normal):
        return OUTSIDE_REGION
    planned = guard.planned_outward
    if normal[0] * planned[0] + normal[1] * planned[1] + normal[2] * planned[2] <= 0.0:
        return WRONG_SIDE
    away = centre_mm - guard.planned_centre_mm
    height = away[0] * planned[0] + away[1] * planned[1] + away[2] * planned[2]
    offset2 = away[0] ** 2 + away[1] ** 2 + away[2] ** 2 - height**2
    if offset2 > guard.limits[0] ** 2:
        return OUTSIDE_REGION
    into = pose[0, 2] * normal[0] + pose[1, 2] * normal[1] + pose[2, 2] * normal[2]
    if into >= 0.0:
        return FACING_AWAY
    return OK if -into >= guard.limits[1] else TILTED


@njit(cache=True)
def _winding_places(pose: F64, guard: Guard, at: F64, cells: I64) -> None:
    """Write the winding's cells of the scalp grid and places in them, 0…1, clamped.

    Row 3 of `at` (4, n) is 1 for a point inside the grid and 0 beyond it.
    """
    px, py, pz = guard.winding_mm[0], guard.winding_mm[1], guard.winding_mm[2]
    inside = at[3]
    inside[:] = 1.0
    cells[:] = 0
    for axis in range(3):
        r0, r1, r2, shift = pose[axis, 0], pose[axis, 1], pose[axis, 2], pose[axis, 3]
        origin_mm = guard.scalp.origin_mm[axis]
        n_nodes, along = guard.scalp.values.shape[axis], at[axis]
        for point in range(px.size):
            place = r0 * px[point] + r1 * py[point] + r2 * pz[point] + shift
            place = (place - origin_mm) * guard.scalp.nodes_per_mm
            clamped = min(max(place, 0.0), n_nodes - 1.0)
            inside[point] *= 1.0 if clamped == place else 0.0
            node = min(int(clamped), n_nodes - 2)
            cells[point] = cells[point] * n_nodes + node
            along[point] = clamped - node


@njit(cache=True)
def winding_distances(pose: F64, guard: Guard) -> tuple[float, float]:
    """Return the least possible and the least known winding-scalp distance, mm.

    A winding point beyond the grid is at least as far from the scalp as the nearest
    point of the grid's box, which holds the scalp. So the place clamped to the box is
    safe for "too near"; for "too far" only the points inside count.
    """
    n_points = guard.winding_mm.shape[1]
    at, cells = np.empty((4, n_points)), np.empty(n_points, np.int64)
    _winding_places(pose, guard, at, cells)
    _, n1, n2 = guard.scalp.values.shape
    f = guard.scalp.values.reshape(-1)
    possible, known = np.inf, np.inf
    for point in range(n_points):
        # `interpolate` again, without the search for the cell.
        u, v, w = at[0, point], at[1, point], at[2, point]
        i = cells[point]
        j, k = i + n2, i + n1 * n2
        h = k + n2
        low = (f[i] * (1 - w) + f[i + 1] * w) * (1 - v)
        low += (f[j] * (1 - w) + f[j + 1] * w) * v
        high = (f[k] * (1 - w) + f[k + 1] * w) * (1 - v)
        high += (f[h] * (1 - w) + f[h + 1] * w) * v
        distance = low * (1 - u) + high * u
        possible = min(possible, distance)
        known = min(known, distance if at[3, point] > 0.0 else np.inf)
    return possible, known


@njit(cache=True)
def judge(pose: F64, guard: Guard) -> int:
    """Return the code of the first fault of a coil pose, or OK."""
    fault = _judge_matrix(pose, guard.limits[4])
    if fault == OK:
        fault = _judge_placement(pose, guard)
    if fault != OK:
        return fault
    possible, known = winding_distances(pose, guard)
    if not possible >= guard.limits[2]:
        return TOO_NEAR
    return OK if known <= guard.limits[3] else TOO_FAR


@njit(cache=True)
def judge_all(poses: F64, guard: Guard, codes: I64) -> None:
    """Write the code of each pose (n, 4, 4) into `codes` (n,)."""
    for row in range(poses.shape[0]):
        codes[row] = judge(poses[row], guard)
