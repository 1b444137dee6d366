"""Balls of tetrahedra with exact solutions, for the finite-element tests."""

from itertools import permutations

import numpy as np

from m2m_rt.fem import CoilDipoles, HeadMesh
from m2m_rt.fem.coils import SCALE_A
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64, I64


def ball(n_cells: int, radius_mm: float = 90.0, *, tissue: int = 5) -> HeadMesh:
    """A ball: a cube of 6 n³ tetrahedra, each shell of it pressed onto a sphere."""
    line = np.linspace(-1.0, 1.0, n_cells + 1)
    cube = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    shell = np.abs(cube).max(axis=1)
    length = np.maximum(np.linalg.norm(cube, axis=1), 1e-12)
    nodes_mm = (radius_mm * cube * (shell / length)[:, None]).astype(np.float32)
    tetrahedra = _kuhn(n_cells)
    corners = nodes_mm[tetrahedra].astype(np.float64)
    flipped = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0.0
    tetrahedra[flipped] = tetrahedra[flipped][:, (0, 1, 3, 2)]
    labels = np.full(len(tetrahedra), tissue)
    return HeadMesh(nodes_mm.astype(np.float64), tetrahedra, labels)


def layered_ball(n_cells: int, radii_mm: dict[int, float]) -> HeadMesh:
    """A ball whose tissues are shells; `radii_mm` from the innermost outwards."""
    mesh = ball(n_cells, max(radii_mm.values()))
    centre = np.linalg.norm(mesh.nodes_mm[mesh.tetrahedra].mean(axis=1), axis=1)
    tissue = np.zeros(len(mesh.tetrahedra), dtype=np.int64)
    for number, radius in sorted(radii_mm.items(), reverse=True):
        tissue[centre <= radius] = number
    return HeadMesh(mesh.nodes_mm, mesh.tetrahedra, tissue)


def exact_field_in_ball(points_mm: F64, coil: CoilDipoles, pose: F64) -> F64:
    """E (n, 3) in a ball about the origin, V/m per A/µs, by reciprocity.

    E(r₀)·q = −(dm/dt)·B_q(r) with Sarvas's B of a current dipole q at r₀; it holds for
    any conductivity that depends on the radius only.
    """
    sources = transform_points(pose, coil.position_mm)
    moments = coil.moment_am2 @ pose[:3, :3].T
    return SCALE_A * np.array([_one_point(p, sources, moments) for p in points_mm])


def tilted_pose(*, height_mm: float, tilt_deg: float) -> F64:
    """A coil beside the vertical axis above a ball, tilted, looking down."""
    angle = np.radians(tilt_deg)
    pose = np.eye(4)
    pose[:3, :3] = (
        (1.0, 0.0, 0.0),
        (0.0, -np.cos(angle), np.sin(angle)),
        (0.0, -np.sin(angle), -np.cos(angle)),
    )
    pose[:3, 3] = (10.0, 15.0, height_mm)
    return pose


def _one_point(p: F64, sources: F64, moments: F64) -> F64:
    a_vec = sources - p
    a = np.linalg.norm(a_vec, axis=1)[:, None]
    r = np.linalg.norm(sources, axis=1)[:, None]
    along = np.einsum("ni,ni->n", a_vec, sources)[:, None]
    f = a * (r * a + r * r - (sources @ p)[:, None])
    grad_f = (a * a / r + along / a + 2 * a + 2 * r) * sources
    grad_f -= (a + 2 * r + along / a) * p
    field = np.zeros(3)
    for axis, q in enumerate(np.eye(3)):
        q_cross = np.cross(q, p)
        b = (f * q_cross - (sources @ q_cross)[:, None] * grad_f) / f**2
        field[axis] = -np.sum(moments * b)
    return field


def _kuhn(n: int) -> I64:
    number = np.arange((n + 1) ** 3).reshape(n + 1, n + 1, n + 1)
    cells = np.moveaxis(np.indices((n, n, n)), 0, -1).reshape(-1, 3)
    tetrahedra = []
    for order in permutations(np.eye(3, dtype=np.int64)):
        walk = np.cumsum([np.zeros(3, np.int64), *order], axis=0)
        tetrahedra.append(
            np.stack([number[tuple((cells + s).T)] for s in walk], axis=1)
        )
    return np.concatenate(tetrahedra)
