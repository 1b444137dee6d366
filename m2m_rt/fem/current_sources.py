"""The primary field of conductors and of sampled potentials, beside that of dipoles."""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy import ndimage

from m2m_rt.errors import DataError
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64

CONDUCTOR_A = 1e-7 * 1e6
"""From mm/mm per A to V/m per A/µs: µ0/4π times A/s per A/µs."""

CONDUCTOR_B = CONDUCTOR_A * 1e3
"""From 1/mm per A to T/s per A/µs."""

A_PER_S_PER_A_PER_US = 1e6

NEAREST_MM = 1e-3
"""A point on a conductor gets the field this far beside it: the field is infinite."""


@dataclass(frozen=True, slots=True)
class SampledField:
    """A vector potential on a grid fixed to the coil, and its curl."""

    voxel_from_coil: F64
    """(4, 4)"""

    a: F64
    """(3, nx, ny, nz): dA/dt, V/m per A/µs, components in the coil frame."""

    b: F64
    """(3, nx, ny, nz): dB/dt, T/s per A/µs."""


@dataclass(frozen=True, slots=True)
class CurrentSources:
    """Sources that are no dipoles, coil frame."""

    segment_mm: F64
    """(n, 3): middles of straight pieces of conductor."""

    segment_vector_mm: F64
    """(n, 3): from beginning to end, times the share of the coil's current."""

    sampled: tuple[SampledField, ...] = ()

    def numbers(self) -> tuple[F64, ...]:
        """Return all arrays, for a hash."""
        grids = [part for f in self.sampled for part in (f.voxel_from_coil, f.a)]
        return (self.segment_mm, self.segment_vector_mm, *grids)


def sampled_field(coil_from_voxel: F64, a_tm_per_a: F64) -> SampledField:
    """Return the field of a potential (nx, ny, nz, 3), T·m per A, on a grid.

    B is the curl by central differences, so it is as good as the grid is fine: some
    per cent within two spacings of a conductor, far less in the head.
    """
    a = np.moveaxis(a_tm_per_a, -1, 0) * A_PER_S_PER_A_PER_US
    by_voxel = np.stack([np.stack(np.gradient(part)) for part in a])  # (3 a, 3 axes, …)
    voxel_from_coil = np.linalg.inv(coil_from_voxel)
    # ∂a_i/∂x_j, per metre: dA/dt is in V/m.
    by_m = 1e3 * np.einsum("ivxyz,vj->ijxyz", by_voxel, voxel_from_coil[:3, :3])
    curl: F64 = np.stack(
        (by_m[2, 1] - by_m[1, 2], by_m[0, 2] - by_m[2, 0], by_m[1, 0] - by_m[0, 1])
    )
    return SampledField(
        np.asarray(voxel_from_coil, np.float64), np.ascontiguousarray(a), curl
    )


def sources_a(sources: CurrentSources, points_mm: F64) -> F64:
    """Return dA/dt (n, 3), V/m per A/µs, at points in the coil frame.

    Raises
    ------
    DataError
        If a point lies outside the grid of a sampled potential.
    """
    total: F64 = CONDUCTOR_A * _segments_a(
        points_mm, sources.segment_mm, sources.segment_vector_mm
    )
    for field in sources.sampled:
        total += _interpolated(field, field.a, points_mm)
    return total


def sources_b(sources: CurrentSources, points_mm: F64) -> F64:
    """Return dB/dt (n, 3), T/s per A/µs, at points in the coil frame.

    Raises
    ------
    DataError
        If a point lies outside the grid of a sampled potential.
    """
    total: F64 = CONDUCTOR_B * _segments_b(
        points_mm, sources.segment_mm, sources.segment_vector_mm
    )
    for field in sources.sampled:
        total += _interpolated(field, field.b, points_mm)
    return total


def _interpolated(field: SampledField, values: F64, points_mm: F64) -> F64:
    voxels = transform_points(field.voxel_from_coil, points_mm)
    last = np.array(values.shape[1:]) - 1
    outside = ~((voxels >= -1e-9) & (voxels <= last + 1e-9)).all(axis=1)
    if outside.any():
        place = np.array2string(points_mm[int(outside.argmax())], precision=1)
        raise DataError(
            f"{int(outside.sum())} points, such as {place} mm in the coil frame, lie "
            "outside the grid of the coil's sampled potential"
        )
    clipped = np.clip(voxels, 0.0, last).T
    parts = [ndimage.map_coordinates(v, clipped, order=1) for v in values]
    return np.column_stack(parts)


@njit(cache=True, parallel=True, fastmath=True)
def _segments_a(points: F64, middles: F64, vectors: F64) -> F64:
    """Sum the exact potentials v̂ ln((r₁ + r₂ + l) / (r₁ + r₂ − l)) of conductors."""
    out = np.zeros((points.shape[0], 3))
    for i in prange(points.shape[0]):
        for j in range(middles.shape[0]):
            vx, vy, vz = vectors[j, 0], vectors[j, 1], vectors[j, 2]
            x = points[i, 0] - middles[j, 0]
            y = points[i, 1] - middles[j, 1]
            z = points[i, 2] - middles[j, 2]
            length = np.sqrt(vx * vx + vy * vy + vz * vz)
            hx, hy, hz = 0.5 * vx, 0.5 * vy, 0.5 * vz
            r1 = np.sqrt((x + hx) ** 2 + (y + hy) ** 2 + (z + hz) ** 2)
            r2 = np.sqrt((x - hx) ** 2 + (y - hy) ** 2 + (z - hz) ** 2)
            ends = max(r1 + r2, length + NEAREST_MM)
            weight = np.log((ends + length) / (ends - length)) / max(length, 1e-12)
            out[i, 0] += weight * vx
            out[i, 1] += weight * vy
            out[i, 2] += weight * vz
    return out


@njit(cache=True, parallel=True, fastmath=True)
def _segments_b(points: F64, middles: F64, vectors: F64) -> F64:
    """Sum the exact fields (Biot & Savart) of straight conductors."""
    out = np.zeros((points.shape[0], 3))
    for i in prange(points.shape[0]):
        for j in range(middles.shape[0]):
            hx, hy, hz = 0.5 * vectors[j, 0], 0.5 * vectors[j, 1], 0.5 * vectors[j, 2]
            x = points[i, 0] - middles[j, 0]
            y = points[i, 1] - middles[j, 1]
            z = points[i, 2] - middles[j, 2]
            ax, ay, az = x + hx, y + hy, z + hz
            bx, by, bz = x - hx, y - hy, z - hz
            r1 = np.sqrt(ax * ax + ay * ay + az * az)
            r2 = np.sqrt(bx * bx + by * by + bz * bz)
            below = r1 * r2 * (r1 * r2 + ax * bx + ay * by + az * bz)
            weight = (r1 + r2) / max(below, NEAREST_MM**4)
            out[i, 0] += weight * (ay * bz - az * by)
            out[i, 1] += weight * (az * bx - ax * bz)
            out[i, 2] += weight * (ax * by - ay * bx)
    return out
