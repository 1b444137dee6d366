"""Line integrals of the dA/dt of magnetic dipoles along mesh edges."""

import numpy as np
from numba import njit, prange

from m2m_rt.fem.coils import SCALE_A, CoilDipoles, rows
from m2m_rt.fem.current_sources import CurrentSources, sources_a
from m2m_rt.geometry import inverse, transform_points
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
    total: F64 = SCALE_A * _edge_sums(ends, rows(positions), rows(moments), GAUSS_3)
    if coil.other is not None:
        total += _other_integrals(coil.other, head_from_coil, ends)
    return total


def unit_edge_integrals(ends_mm: F64, positions_mm: F64, moments_am2: F64) -> F64:
    """Return line integrals (n_edges, n_dipoles) of each dipole by itself.

    Parameters
    ----------
    ends_mm
        Shape (n_edges, 2, 3).
    """
    each: F64 = SCALE_A * _edge_each(
        ends_mm, rows(positions_mm), rows(moments_am2), GAUSS_3
    )
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


@njit(cache=True, parallel=True, fastmath=True)
def _edge_sums(ends: F64, positions: F64, moments: F64, gauss: F64) -> F64:
    """Sum over dipoles, given as rows x y z, so that the inner loop vectorises."""
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros(ends.shape[0])
    for e in prange(ends.shape[0]):
        total = 0.0
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        tx, ty, tz = ends[e, 1, 0] - x0, ends[e, 1, 1] - y0, ends[e, 1, 2] - z0
        for g in range(gauss.shape[0]):
            s = gauss[g, 0]
            x, y, z = x0 + s * tx, y0 + s * ty, z0 + s * tz
            along = 0.0
            for j in range(px.size):
                dx, dy, dz = x - px[j], y - py[j], z - pz[j]
                r2 = dx * dx + dy * dy + dz * dz
                triple = tx * (my[j] * dz - mz[j] * dy)
                triple += ty * (mz[j] * dx - mx[j] * dz)
                triple += tz * (mx[j] * dy - my[j] * dx)
                along += triple / (r2 * np.sqrt(r2))
            total += gauss[g, 1] * along
        out[e] = total
    return out


@njit(cache=True, parallel=True, fastmath=True)
def _edge_each(ends: F64, positions: F64, moments: F64, gauss: F64) -> F64:
    """Return the same without the sum, (n_edges, n_dipoles)."""
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros((ends.shape[0], px.size))
    for e in prange(ends.shape[0]):
        row = out[e]
        x0, y0, z0 = ends[e, 0, 0], ends[e, 0, 1], ends[e, 0, 2]
        tx, ty, tz = ends[e, 1, 0] - x0, ends[e, 1, 1] - y0, ends[e, 1, 2] - z0
        for g in range(gauss.shape[0]):
            s, weight = gauss[g, 0], gauss[g, 1]
            x, y, z = x0 + s * tx, y0 + s * ty, z0 + s * tz
            for j in range(px.size):
                dx, dy, dz = x - px[j], y - py[j], z - pz[j]
                r2 = dx * dx + dy * dy + dz * dz
                triple = tx * (my[j] * dz - mz[j] * dy)
                triple += ty * (mz[j] * dx - mx[j] * dz)
                triple += tz * (mx[j] * dy - my[j] * dx)
                row[j] += weight * triple / (r2 * np.sqrt(r2))
    return out
