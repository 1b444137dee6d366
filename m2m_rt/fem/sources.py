"""Line integrals of the dA/dt of magnetic dipoles along mesh edges."""

import numpy as np
from numba import njit, prange

from m2m_rt.fem.coils import SCALE_A, CoilDipoles, rows
from m2m_rt.fem.current_sources import CurrentSources, sources_a
from m2m_rt.geometry import inverse, transform_points
from m2m_rt.units import F32, F64, I64

GAUSS_3 = np.array(
    ((0.5 - np.sqrt(0.15), 5 / 18), (0.5, 8 / 18), (0.5 + np.sqrt(0.15), 5 / 18))
)
"""Places along an edge and weights; exact for degree 5."""


Vector = tuple[float, float, float]


def coil_edge_integrals(
    coil: CoilDipoles, head_from_coil: F64, *, nodes_mm: F64, edges: I64
) -> F64:
    """Return the coil's line integrals (n_edges,), V/m·mm per A/µs."""
    positions = transform_points(head_from_coil, coil.position_mm)
    moments = coil.moment_am2 @ head_from_coil[:3, :3].T
    ends = nodes_mm[edges]  # (n_edges, 2, 3)
    # About the middle of the coil: small numbers lose least in float32.
    middle_mm = positions.mean(axis=0) if len(positions) else np.zeros(3)
    total: F64 = SCALE_A * _edge_sums(
        (ends - middle_mm).astype(np.float32),
        rows(positions - middle_mm).astype(np.float32),
        rows(moments).astype(np.float32),
    )
    if coil.other is not None:
        total += _other_integrals(coil.other, head_from_coil, ends)
    return total


def pose_edge_integrals(
    coil: CoilDipoles, poses: F64, *, nodes_mm: F64, edges: I64
) -> F64:
    """Return the same (n_edges, n) for each of poses (n, 4, 4)."""
    each = [
        coil_edge_integrals(coil, pose, nodes_mm=nodes_mm, edges=edges)
        for pose in poses
    ]
    return np.column_stack(each)


def unit_edge_integrals(ends_mm: F64, positions_mm: F64, moments_am2: F64) -> F64:
    """Return line integrals (n_edges, n_dipoles) of each dipole by itself.

    Parameters
    ----------
    ends_mm
        Shape (n_edges, 2, 3).
    """
    each: F64 = SCALE_A * _edge_each(ends_mm, rows(positions_mm), rows(moments_am2))
    return each


def _other_integrals(sources: CurrentSources, head_from_coil: F64, ends: F64) -> F64:
    """Return line integrals (n_edges,) of conductors and sampled potentials."""
    in_coil = transform_points(inverse(head_from_coil), ends.reshape(-1, 3))
    first, second = np.moveaxis(in_coil.reshape(ends.shape), 1, 0)
    step = second - first
    total = np.zeros(len(ends))
    for place, weight in GAUSS_3:
        a = sources_a(sources, first + place * step)
        total += weight * np.einsum("ni,ni->n", a, step)
    return total


@njit(cache=True, inline="always")
def _along(first: Vector, second: Vector, moment: Vector) -> float:
    """Return the line integral of m × d / d³ from one end to the other, exact.

    It is m · B of a straight wire along the edge (Hanson & Hirshman 2002, eq. 8), by
    reciprocity. Vectors are from the dipole to the ends.
    """
    ax, ay, az = first
    bx, by, bz = second
    mx, my, mz = moment
    ra = np.sqrt(ax * ax + ay * ay + az * az)
    rb = np.sqrt(bx * bx + by * by + bz * bz)
    triple = mx * (ay * bz - az * by)
    triple += my * (az * bx - ax * bz)
    triple += mz * (ax * by - ay * bx)
    product = ra * rb
    integral: float = (
        triple * (ra + rb) / (product * (product + ax * bx + ay * by + az * bz))
    )
    return integral


@njit(cache=True, parallel=True, fastmath=True)
def _edge_sums(ends: F32, positions: F32, moments: F32) -> F64:
    """Sum over dipoles, given as rows x y z, so that the inner loop vectorises.

    In float32: exact to a millionth here, and more than twice as fast.
    """
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros(ends.shape[0])
    for e in prange(ends.shape[0]):
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        x1, y1, z1 = ends[e, 1, 0], ends[e, 1, 1], ends[e, 1, 2]
        total = np.float32(0.0)
        for j in range(px.size):
            first = (x0 - px[j], y0 - py[j], z0 - pz[j])
            second = (x1 - px[j], y1 - py[j], z1 - pz[j])
            total += _along(first, second, (mx[j], my[j], mz[j]))
        out[e] = total
    return out


@njit(cache=True, parallel=True, fastmath=True)
def _edge_each(ends: F64, positions: F64, moments: F64) -> F64:
    """Return the same without the sum and in float64, (n_edges, n_dipoles)."""
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros((ends.shape[0], px.size))
    for e in prange(ends.shape[0]):
        row = out[e]
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        x1, y1, z1 = ends[e, 1, 0], ends[e, 1, 1], ends[e, 1, 2]
        for j in range(px.size):
            first = (x0 - px[j], y0 - py[j], z0 - pz[j])
            second = (x1 - px[j], y1 - py[j], z1 - pz[j])
            row[j] = _along(first, second, (mx[j], my[j], mz[j]))
    return out
