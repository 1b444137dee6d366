"""The demo coil, an analytic figure-of-eight, and the primary field of any dipoles.

A circuit of current I bounding a sheet has, away from the sheet, exactly the field of
magnetic dipoles of moment I per area on it. Each wing is such a sheet, cut into
dipoles.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit, prange

from m2m_rt.fem.current_sources import CurrentSources, sources_a, sources_b
from m2m_rt.units import F32, F64

DEMO_COIL_NAME = "demo-figure8"

MU0_OVER_4PI = 1e-7
"""T·m/A"""

MM_PER_M = 1e3
A_PER_S_PER_A_PER_US = 1e6
SCALE_B = MU0_OVER_4PI * MM_PER_M**3 * A_PER_S_PER_A_PER_US
"""From A·m²/mm³ per A to T/s per A/µs."""

SCALE_A = MU0_OVER_4PI * MM_PER_M**2 * A_PER_S_PER_A_PER_US
"""From A·m²/mm² per A to V/m per A/µs."""


@dataclass(frozen=True, slots=True)
class CoilDipoles:
    """A coil as magnetic dipoles, coil frame (SimNIBS convention).

    What a user's file describes otherwise stands beside them.
    """

    name: str
    position_mm: F64
    """(n, 3)"""

    moment_am2: F64
    """(n, 3): A·m² per ampere of coil current."""

    winding_mm: F64
    """(n_winding, 3): points on the face of the windings that looks at the head."""

    other: CurrentSources | None = None
    """Conductors and sampled potentials, whose field adds to the dipoles'."""


@dataclass(frozen=True, slots=True)
class FigureEightSettings:
    """Dimensions of a 70 mm class figure-of-eight; a demo coil, not a product."""

    n_turns: int = 9
    inner_radius_mm: float = 26.0
    """Of the innermost turn's middle."""

    outer_radius_mm: float = 44.0
    """Of the outermost turn's middle."""

    wing_offset_mm: float = 45.0
    """From the coil's centre to a wing's."""

    casing_mm: float = 4.5
    """From the casing's face, z = 0, to the windings' face."""

    wire_height_mm: float = 6.0
    """Height of the flat wire along z; split into two layers of dipoles."""

    n_rings: int = 9
    """Rings of dipoles on a wing and layer."""


def demo_coil(settings: FigureEightSettings | None = None) -> CoilDipoles:
    """Return the demo figure-of-eight.

    x and y lie in the coil's plane (y the handle's prolongation), z points into the
    head. A rising current (dI/dt > 0) induces an E-field along +y under the centre:
    with the handle pointing postero-lateral, from posterior to anterior.
    """
    s = settings or FigureEightSettings()
    disc_mm, area_turns_mm2 = wing_sheet(
        np.linspace(s.inner_radius_mm, s.outer_radius_mm, s.n_turns), s.n_rings
    )
    position, moment = [], []
    for side in (1.0, -1.0):
        for layer in (0.25, 0.75):
            depth_mm = -s.casing_mm - layer * s.wire_height_mm
            centre = (side * s.wing_offset_mm, 0.0, depth_mm)
            position.append(np.column_stack((disc_mm, np.zeros(len(disc_mm)))) + centre)
            # Right wing: the wires next to the centre carry current along −y.
            per_layer = side * area_turns_mm2 / 2.0 / MM_PER_M**2
            moment.append(per_layer[:, None] * np.array((0.0, 0.0, 1.0)))
    return CoilDipoles(
        name=DEMO_COIL_NAME,
        position_mm=np.concatenate(position),
        moment_am2=np.concatenate(moment),
        winding_mm=_winding_face(s),
    )


def didt_b(coil: CoilDipoles, points_mm: F64) -> F64:
    """Return dB/dt (n, 3), T/s per A/µs, at points in the coil frame."""
    field: F64 = SCALE_B * _dipole_b(
        points_mm, rows(coil.position_mm), rows(coil.moment_am2)
    )
    return field if coil.other is None else field + sources_b(coil.other, points_mm)


def didt_a(coil: CoilDipoles, points_mm: F64) -> F64:
    """Return dA/dt (n, 3), V/m per A/µs, at points in the coil frame."""
    field: F64 = SCALE_A * _dipole_a(
        points_mm, rows(coil.position_mm), rows(coil.moment_am2)
    )
    return field if coil.other is None else field + sources_a(coil.other, points_mm)


def sample_b(
    coil: CoilDipoles, *, low_mm: F64, high_mm: F64, spacing_mm: float
) -> tuple[F64, F32]:
    """Return a grid's origin (3,) and dB/dt (nx, ny, nz, 3), coil frame."""
    n = [int(k) for k in np.ceil((high_mm - low_mm) / spacing_mm) + 1]
    axes = [low + spacing_mm * np.arange(k) for low, k in zip(low_mm, n, strict=True)]
    nodes_mm = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    b = didt_b(coil, nodes_mm.reshape(-1, 3)).reshape(nodes_mm.shape)
    return low_mm.copy(), b.astype(np.float32)


def coil_sha256(coil: CoilDipoles) -> str:
    """Return the hash of a coil's dipoles and winding."""
    digest = hashlib.sha256(coil.name.encode())
    for numbers in (coil.position_mm, coil.moment_am2, coil.winding_mm):
        digest.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    for numbers in () if coil.other is None else coil.other.numbers():
        digest.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    return digest.hexdigest()


def wing_sheet(turns_mm: F64, n_rings: int) -> tuple[F64, F64]:
    """Return a wing's dipoles (n, 2), mm from its centre, and area × turns (n,), mm².

    A ring's dipoles share its area, exactly: the sum of area × turns is that of the
    turns' discs.

    Parameters
    ----------
    turns_mm
        Radius of each turn's middle.
    """
    edges_mm = np.linspace(0.0, turns_mm.max(), n_rings + 1)
    xy, weights = [], []
    for low, high in pairwise(edges_mm):
        n = max(4, round(np.pi * (low + high) / (high - low)))
        angles = 2.0 * np.pi * (np.arange(n) + 0.5) / n
        radius = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2)
        xy.append(radius * np.column_stack((np.cos(angles), np.sin(angles))))
        # Part of this ring that each turn encloses.
        inside = np.clip(turns_mm, low, high) ** 2 - low**2
        weights.append(np.full(n, np.pi * inside.sum() / n))
    return np.concatenate(xy), np.concatenate(weights)


def _winding_face(s: FigureEightSettings) -> F64:
    """Return points over both wings, holes included.

    The dipoles fill the holes too, and they must stay outside the table's surface.
    """
    half_wire_mm = 0.5 * (s.outer_radius_mm - s.inner_radius_mm) / (s.n_turns - 1)
    rim_mm = s.outer_radius_mm + half_wire_mm
    points = [
        (side * s.wing_offset_mm + r * np.cos(a), r * np.sin(a), -s.casing_mm)
        for side in (1.0, -1.0)
        for r, n in ((rim_mm, 40), (0.75 * rim_mm, 28), (0.5 * rim_mm, 18), (10.0, 8))
        for a in 2.0 * np.pi * np.arange(n) / n
    ]
    return np.array(points)


def rows(vectors: F64) -> F64:
    """Return (3, n), contiguous, of (n, 3): loops over n then vectorise."""
    return np.ascontiguousarray(vectors.T)


@njit(cache=True, parallel=True, fastmath=True)
def _dipole_a(points: F64, positions: F64, moments: F64) -> F64:
    """Sum m × r / r³, in A·m²/mm², over dipoles given as rows x y z."""
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros((points.shape[0], 3))
    for i in prange(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        ax = ay = az = 0.0
        for j in range(px.size):
            dx, dy, dz = x - px[j], y - py[j], z - pz[j]
            r2 = dx * dx + dy * dy + dz * dz
            w = 1.0 / (r2 * np.sqrt(r2))
            ax += w * (my[j] * dz - mz[j] * dy)
            ay += w * (mz[j] * dx - mx[j] * dz)
            az += w * (mx[j] * dy - my[j] * dx)
        out[i, 0], out[i, 1], out[i, 2] = ax, ay, az
    return out


@njit(cache=True, parallel=True, fastmath=True)
def _dipole_b(points: F64, positions: F64, moments: F64) -> F64:
    """Sum (3 (m·r) r / r² − m) / r³, in A·m²/mm³, over dipoles as rows x y z."""
    px, py, pz = positions[0], positions[1], positions[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    out = np.zeros((points.shape[0], 3))
    for i in prange(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        bx = by = bz = 0.0
        for j in range(px.size):
            dx, dy, dz = x - px[j], y - py[j], z - pz[j]
            r2 = dx * dx + dy * dy + dz * dz
            w = 1.0 / (r2 * np.sqrt(r2))
            along = 3.0 * (mx[j] * dx + my[j] * dy + mz[j] * dz) / r2
            bx += w * (along * dx - mx[j])
            by += w * (along * dy - my[j])
            bz += w * (along * dz - mz[j])
        out[i, 0], out[i, 1], out[i, 2] = bx, by, bz
    return out
