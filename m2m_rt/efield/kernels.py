"""The compiled inner loops of a query: guard of the region, gather, combination.

They live in one file, and take settings as arguments, because numba's on-disk cache
notices changes of a function's own file only. Nothing here is compiled with
`fastmath`, no sum is reordered and no BLAS is called, so an answer depends neither on
how memory is aligned nor on thread counts: the same input gives the same bytes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from m2m_rt.units import F32, F64, I64

Vector = tuple[np.float32, np.float32, np.float32]

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
    """(nx, ny, nz) or (nx, ny, nz, 3)"""


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
    """(n, 3), coil frame."""

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
def winding_distances(pose: F64, guard: Guard) -> tuple[float, float]:
    """Return the least possible and the least known winding-scalp distance, mm.

    A winding point beyond the grid is at least as far from the scalp as the nearest
    point of the grid's box, which holds the scalp. So the place clamped to the box is
    safe for "too near"; for "too far" only the points inside count.
    """
    point_mm, at = np.empty(3), np.empty(3)
    scalp = guard.scalp
    possible, known = np.inf, np.inf
    for point in range(guard.winding_mm.shape[0]):
        p = guard.winding_mm[point]
        for axis in range(3):
            r = pose[axis]
            point_mm[axis] = r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + r[3]
        inside = to_grid(scalp, point_mm, at)
        for axis in range(3):
            at[axis] = min(max(at[axis], 0.0), scalp.values.shape[axis] - 1.0)
        distance = interpolate(scalp.values, at)
        possible = min(possible, distance)
        if inside:
            known = min(known, distance)
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
def _blend(values: F32, x: int, y: int, z: int, weights: F32) -> Vector:
    """Return the weighted sum of the vectors at the eight corners of a cell."""
    bx = by = bz = np.float32(0.0)
    for corner in range(8):
        v = values[x + (corner >> 2), y + ((corner >> 1) & 1), z + (corner & 1)]
        bx += weights[corner] * v[0]
        by += weights[corner] * v[1]
        bz += weights[corner] * v[2]
    return bx, by, bz


@njit(cache=True)
def gather(pose: F64, sensors_mm: F64, coil: Grid, b: F32) -> int:
    """Write the coil's B at the sensors, head-frame components, into `b`.

    A sensor beyond the coil's grid ends it: nothing is extrapolated.
    """
    weights = np.empty(8, np.float32)
    at = np.empty(3)
    point_mm = np.empty(3)
    turn = pose.astype(np.float32)
    for sensor in range(sensors_mm.shape[0]):
        s = sensors_mm[sensor]
        dx, dy, dz = s[0] - pose[0, 3], s[1] - pose[1, 3], s[2] - pose[2, 3]
        for axis in range(3):
            point_mm[axis] = (
                pose[0, axis] * dx + pose[1, axis] * dy + pose[2, axis] * dz
            )
        if not to_grid(coil, point_mm, at):
            return OUTSIDE_COIL_GRID
        x = _node_below(at[0], coil.values.shape[0])
        y = _node_below(at[1], coil.values.shape[1])
        z = _node_below(at[2], coil.values.shape[2])
        u, v, w = at[0] - x, at[1] - y, at[2] - z
        for corner in range(8):
            along = (u if corner & 4 else 1 - u) * (v if corner & 2 else 1 - v)
            weights[corner] = along * (w if corner & 1 else 1 - w)
        bx, by, bz = _blend(coil.values, x, y, z, weights)
        for axis in range(3):
            t = turn[axis]
            b[3 * sensor + axis] = t[0] * bx + t[1] * by + t[2] * bz
    return OK


@njit(cache=True)
def prepare(pose: F64, guard: Guard, sensors_mm: F64, coil: Grid, b: F32) -> int:
    """Judge a pose and, if it is allowed, write B (3 · n_sensors,) into `b`."""
    fault = judge(pose, guard)
    return fault if fault != OK else gather(pose, sensors_mm, coil, b)


@njit(cache=True)
def gather_all(
    poses: F64, guard: Guard, sensors_mm: F64, coil: Grid, codes: I64
) -> F32:
    """Judge poses (n, 4, 4), write their codes, return B (n, 3 · n_sensors).

    The row of a refused pose is zero.
    """
    b = np.zeros((poses.shape[0], 3 * sensors_mm.shape[0]), np.float32)
    for row in range(poses.shape[0]):
        codes[row] = prepare(poses[row], guard, sensors_mm, coil, b[row])
        if codes[row] != OK:
            b[row] = 0.0
    return b


@njit(cache=True)
def combine(rows: F32, weights: F32, out: F32) -> None:
    """Write the weighted sum of matrix rows into `out`, four rows a pass.

    Element by element, so it vectorises without reordering any sum, and it is as fast
    as a BLAS matrix-vector product: both are bound by memory.
    """
    out[:] = 0.0
    whole = rows.shape[0] - rows.shape[0] % 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(out.size):
            out[i] += (a0[i] * w0 + a1[i] * w1) + (a2[i] * w2 + a3[i] * w3)
    for k in range(whole, rows.shape[0]):
        for i in range(out.size):
            out[i] += rows[k, i] * weights[k]


@njit(cache=True)
def field(project_t: F32, basis_t: F32, b: F32) -> F32:
    """Return E (3 · n_roi,) of B (3 · n_sensors,): basis @ (project @ B)."""
    coefficients = np.empty(project_t.shape[1], np.float32)
    combine(project_t, b, coefficients)
    efield = np.empty(basis_t.shape[1], np.float32)
    combine(basis_t, coefficients, efield)
    return efield
