"""The compiled inner loops of an answer: gather of B, two products, error bound.

They live in one file, and call into no other, because numba's on-disk cache notices
changes of a function's own file only. Nothing here is compiled with `fastmath`, no sum
is reordered and no BLAS is called, so an answer depends neither on how memory is
aligned nor on thread counts: the same input gives the same bytes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from m2m_rt.efield.kernels import OK, OUTSIDE_COIL_GRID
from m2m_rt.units import F32, F64, I64


class Source(NamedTuple):
    """A coil's B, and where in the head it is wanted."""

    sensors_mm: F64
    """(3, n_sensors), head frame: rows, so that loops over sensors vectorise."""

    origin_mm: F64
    """(3,): of the coil's grid, coil frame."""

    nodes_per_mm: float
    n_nodes: tuple[int, int, int]
    b: F32
    """(nx · ny · nz · 3,): the grid's values, flat."""


class Factors(NamedTuple):
    """What turns B at the sensors into E, and into a bound of E's error."""

    project_t: F32
    """(3 · n_sensors, rank): transposed, so that whole rows are added."""

    basis_t: F32
    """(rank, 3 · n_roi)"""

    error_t: F32
    """(rank, n_error)"""

    floor: float
    inflation: float
    """Of the bound; NaN where the table has none."""


class Scratch(NamedTuple):
    """Buffers that one answer fills and the next one overwrites."""

    cells: I64
    """(n_sensors,): where in `Source.b` the lowest corner of the cell begins."""

    fractions: F32
    """(3, n_sensors): place inside the cell, 0…1."""

    b: F32
    """(3 · n_sensors,)"""

    coefficients: F32
    """(rank,)"""

    error: F32
    """(n_error,)"""


@njit(cache=True)
def _place(pose: F64, source: Source, cells: I64, fractions: F32) -> int:
    """Find every sensor's cell of the coil's grid; return how many have none."""
    sx, sy, sz = source.sensors_mm[0], source.sensors_mm[1], source.sensors_mm[2]
    x0, y0, z0 = pose[0, 0], pose[1, 0], pose[2, 0]
    x1, y1, z1 = pose[0, 1], pose[1, 1], pose[2, 1]
    x2, y2, z2 = pose[0, 2], pose[1, 2], pose[2, 2]
    tx, ty, tz = pose[0, 3], pose[1, 3], pose[2, 3]
    ox, oy, oz = source.origin_mm[0], source.origin_mm[1], source.origin_mm[2]
    n0, n1, n2 = source.n_nodes
    per_mm = source.nodes_per_mm
    u, v, w = fractions[0], fractions[1], fractions[2]
    n_outside = 0
    for s in range(sx.size):
        dx, dy, dz = sx[s] - tx, sy[s] - ty, sz[s] - tz
        gx = (x0 * dx + y0 * dy + z0 * dz - ox) * per_mm
        gy = (x1 * dx + y1 * dy + z1 * dz - oy) * per_mm
        gz = (x2 * dx + y2 * dy + z2 * dz - oz) * per_mm
        # `&` and no branch: the loop vectorises.
        inside = (gx >= 0.0) & (gy >= 0.0) & (gz >= 0.0)
        inside &= (gx <= n0 - 1) & (gy <= n1 - 1) & (gz <= n2 - 1)
        n_outside += 0 if inside else 1
        gx, gy, gz = gx if inside else 0.0, gy if inside else 0.0, gz if inside else 0.0
        x, y, z = min(int(gx), n0 - 2), min(int(gy), n1 - 2), min(int(gz), n2 - 2)
        u[s], v[s], w[s] = gx - x, gy - y, gz - z
        cells[s] = 3 * ((x * n1 + y) * n2 + z)
    return n_outside


@njit(cache=True)
def _blend(pose: F64, source: Source, cells: I64, fractions: F32, b: F32) -> None:
    """Write the trilinear B of every sensor's cell, head-frame components, into `b`."""
    turn = pose[:3, :3].astype(np.float32)
    x0, y0, z0 = turn[0, 0], turn[1, 0], turn[2, 0]
    x1, y1, z1 = turn[0, 1], turn[1, 1], turn[2, 1]
    x2, y2, z2 = turn[0, 2], turn[1, 2], turn[2, 2]
    g, one = source.b, np.float32(1.0)
    step_y, step_x = 3 * source.n_nodes[2], 3 * source.n_nodes[1] * source.n_nodes[2]
    for s in range(cells.size):
        u, v, w = fractions[0, s], fractions[1, s], fractions[2, s]
        # The four edges of the cell along z: each holds six numbers in a row.
        h = cells[s]
        i, j, k = h + step_y, h + step_x, h + step_x + step_y
        p, q, r, t = (one - u) * (one - v), (one - u) * v, u * (one - v), u * v
        ax = p * g[h] + q * g[i] + r * g[j] + t * g[k]
        ay = p * g[h + 1] + q * g[i + 1] + r * g[j + 1] + t * g[k + 1]
        az = p * g[h + 2] + q * g[i + 2] + r * g[j + 2] + t * g[k + 2]
        bx = p * g[h + 3] + q * g[i + 3] + r * g[j + 3] + t * g[k + 3]
        by = p * g[h + 4] + q * g[i + 4] + r * g[j + 4] + t * g[k + 4]
        bz = p * g[h + 5] + q * g[i + 5] + r * g[j + 5] + t * g[k + 5]
        bx = (one - w) * ax + w * bx
        by = (one - w) * ay + w * by
        bz = (one - w) * az + w * bz
        b[3 * s] = x0 * bx + x1 * by + x2 * bz
        b[3 * s + 1] = y0 * bx + y1 * by + y2 * bz
        b[3 * s + 2] = z0 * bx + z1 * by + z2 * bz


@njit(cache=True)
def gather(pose: F64, source: Source, cells: I64, fractions: F32, b: F32) -> bool:
    """Write B (3 · n_sensors,) into `b`; False, and nothing, if the grid is too small.

    A sensor beyond the coil's grid ends it: nothing is extrapolated.
    """
    if _place(pose, source, cells, fractions) > 0:
        return False
    _blend(pose, source, cells, fractions, b)
    return True


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
def _norm2(vector: F32) -> float:
    total = 0.0
    for value in vector:
        total += np.float64(value) * np.float64(value)
    return total


@njit(cache=True)
def _bound(factors: Factors, coefficients: F32, error: F32) -> float:
    """Return the bound of the relative error; NaN if there is no field or no bound."""
    combine(factors.error_t, coefficients, error)
    size2 = _norm2(coefficients)
    if not size2 > 0.0:
        return np.nan
    expected = np.sqrt(_norm2(error) / size2 + factors.floor**2)
    bound: float = factors.inflation * expected
    return bound


@njit(cache=True)
def rel_error_bounds(
    factors: Factors, scratch: Scratch, coefficients: F32, bounds: F64
) -> None:
    """Write the bound of each row of coefficients (n, rank) into `bounds` (n,)."""
    for row in range(coefficients.shape[0]):
        bounds[row] = _bound(factors, coefficients[row], scratch.error)


@njit(cache=True)
def answer(
    pose: F64, source: Source, factors: Factors, scratch: Scratch, efield: F32
) -> float:
    """Write E (3 · n_roi,) of a judged pose into `efield`; return its error bound.

    Minus one says that a sensor lies beyond the coil's grid, and nothing was written.
    """
    if not gather(pose, source, scratch.cells, scratch.fractions, scratch.b):
        return -1.0
    combine(factors.project_t, scratch.b, scratch.coefficients)
    combine(factors.basis_t, scratch.coefficients, efield)
    return _bound(factors, scratch.coefficients, scratch.error)


@njit(cache=True)
def gather_all(
    poses: F64, source: Source, scratch: Scratch, codes: I64, b: F32
) -> None:
    """Write B of the allowed poses (n, 4, 4) into rows of `b`, zero for the others.

    `codes` are the judge's; a sensor beyond the coil's grid is written there.
    """
    cells, fractions = scratch.cells, scratch.fractions
    for row in range(poses.shape[0]):
        if codes[row] == OK and not gather(
            poses[row], source, cells, fractions, b[row]
        ):
            codes[row] = OUTSIDE_COIL_GRID
        if codes[row] != OK:
            b[row] = 0.0
