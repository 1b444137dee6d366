"""Line integrals of the dA/dt of magnetic dipoles along mesh edges."""

import numpy as np
from numba import njit, prange

from m2m_rt.fem.coils import SCALE_A, CoilDipoles
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64, I64

GAUSS_3 = np.array(
    ((0.5 - np.sqrt(0.15), 5 / 18), (0.5, 8 / 18), (0.5 + np.sqrt(0.15), 5 / 18))
)
"""Places along an edge and weights; exact for degree 5."""


def coil_edge_integrals(
    coil: CoilDipoles, head_from_coil: F64, *, nodes_mm: F64, edges: I64
) -> F64:
    """Return the coil's line integrals (n_edges,), V/m·mm per A/µs."""
    positions = transform_points(head_from_coil, coil.position_mm)
    moments = coil.moment_am2 @ head_from_coil[:3, :3].T
    ends = nodes_mm[edges]  # (n_edges, 2, 3)
    total: F64 = SCALE_A * _edge_sums(ends, positions, moments, GAUSS_3)
    return total


def unit_edge_integrals(ends_mm: F64, positions_mm: F64, moments_am2: F64) -> F64:
    """Return line integrals (n_edges, n_dipoles) of each dipole by itself.

    Parameters
    ----------
    ends_mm
        Shape (n_edges, 2, 3).
    """
    each: F64 = SCALE_A * _edge_each(ends_mm, positions_mm, moments_am2, GAUSS_3)
    return each


@njit(cache=True, parallel=True, fastmath=True)
def _edge_sums(ends: F64, positions: F64, moments: F64, gauss: F64) -> F64:
    out = np.zeros(ends.shape[0])
    for e in prange(ends.shape[0]):
        total = 0.0
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        tx, ty, tz = ends[e, 1, 0] - x0, ends[e, 1, 1] - y0, ends[e, 1, 2] - z0
        for g in range(gauss.shape[0]):
            x, y, z = (
                x0 + gauss[g, 0] * tx,
                y0 + gauss[g, 0] * ty,
                z0 + gauss[g, 0] * tz,
            )
            along = 0.0
            for j in range(positions.shape[0]):
                dx = x - positions[j, 0]
                dy = y - positions[j, 1]
                dz = z - positions[j, 2]
                r2 = dx * dx + dy * dy + dz * dz
                mx, my, mz = moments[j, 0], moments[j, 1], moments[j, 2]
                triple = tx * (my * dz - mz * dy)
                triple += ty * (mz * dx - mx * dz)
                triple += tz * (mx * dy - my * dx)
                along += triple / (r2 * np.sqrt(r2))
            total += gauss[g, 1] * along
        out[e] = total
    return out


@njit(cache=True, parallel=True, fastmath=True)
def _edge_each(ends: F64, positions: F64, moments: F64, gauss: F64) -> F64:
    out = np.zeros((ends.shape[0], positions.shape[0]))
    for e in prange(ends.shape[0]):
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        tx, ty, tz = ends[e, 1, 0] - x0, ends[e, 1, 1] - y0, ends[e, 1, 2] - z0
        for g in range(gauss.shape[0]):
            x, y, z = (
                x0 + gauss[g, 0] * tx,
                y0 + gauss[g, 0] * ty,
                z0 + gauss[g, 0] * tz,
            )
            for j in range(positions.shape[0]):
                dx = x - positions[j, 0]
                dy = y - positions[j, 1]
                dz = z - positions[j, 2]
                r2 = dx * dx + dy * dy + dz * dz
                mx, my, mz = moments[j, 0], moments[j, 1], moments[j, 2]
                triple = tx * (my * dz - mz * dy)
                triple += ty * (mz * dx - mx * dz)
                triple += tz * (mx * dy - my * dx)
                out[e, j] += gauss[g, 1] * triple / (r2 * np.sqrt(r2))
    return out
