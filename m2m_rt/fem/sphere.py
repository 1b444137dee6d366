"""A layered ball: a family of finer and finer meshes, and the exact field in it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from m2m_rt.fem.coils import SCALE_A, CoilDipoles, demo_coil
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES
from m2m_rt.fem.hybrid import hybrid_elements
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.solve import make_solver
from m2m_rt.fem.sources import pose_edge_integrals
from m2m_rt.fem.tissues import Tissue
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64, I64

RADII_MM = {Tissue.WM: 60.0, Tissue.GM: 70.0, Tissue.CSF: 80.0, Tissue.SCALP: 90.0}
"""Multiples of 10 mm, which are shells of every mesh of 18, 36 or 54 cells."""

SPHERE_CELLS = (18, 36, 54)
"""Cells along an edge of the cube that is pressed into the ball; 54 gives edges of 2 to
5 mm, as the demo head has around its ROI."""

POLE_MM = (0.0, 0.0, 65.0)
READ_MM = 35.0
"""Grey matter is looked at within this distance of the pole."""

ZONE_MM = 47.0
N_POINTS = 400

COIL_PLACES = ((0.0, 0.0, 0.0), (10.0, 15.0, 25.0), (25.0, -20.0, 15.0))
"""x and y from the ball's axis, mm, and tilt, degrees; 15 to 20 mm above the ball."""


@dataclass(frozen=True, slots=True)
class SphereError:
    """Finite elements of one order on one mesh against the exact field."""

    order: int
    n_unknowns: int
    edge_mm: float
    """Median in the grey matter looked at."""

    rel_l2: tuple[float, ...]
    """By coil pose, at random points of the grey matter."""


def sphere_errors(
    n_cells: int,
    orders: tuple[int, ...] = (1, 2),
    progress: Callable[[float], None] = lambda _: None,
) -> list[SphereError]:
    """Return the errors on one mesh, for tilted and off-axis coils."""
    mesh, coil, poses = layered_ball(n_cells), demo_coil(), sphere_poses()
    centroids = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    from_pole_mm = np.linalg.norm(centroids - np.array(POLE_MM), axis=1)
    read = np.flatnonzero((mesh.tissue == Tissue.GM) & (from_pole_mm < READ_MM))
    rng = np.random.default_rng(0)
    tets = rng.choice(read, N_POINTS)
    weights = rng.dirichlet(np.ones(4), N_POINTS)
    points_mm = np.einsum("nc,nci->ni", weights, mesh.nodes_mm[mesh.tetrahedra[tets]])
    exact = [exact_field(points_mm, coil, pose).ravel() for pose in poses]
    edge_mm = _median_edge_mm(mesh, read)
    errors = []
    for k, order in enumerate(orders):
        elements = hybrid_elements(mesh, (order == 2) & (from_pole_mm < ZONE_MM))
        sigma = DEFAULT_CONDUCTIVITIES.of(mesh.tissue)
        integrals = pose_edge_integrals(
            coil, poses, nodes_mm=mesh.nodes_mm, edges=elements.edges
        )
        solver = make_solver(elements.stiffness(sigma))
        potential = solver.solve(elements.load(sigma) @ integrals)
        field = elements.gradient_at(tets, weights) @ potential
        field = -(field + elements.dadt_at(tets, weights) @ integrals)
        rel_l2 = tuple(
            float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
            for found, wanted in zip(field.T, exact, strict=True)
        )
        errors.append(SphereError(order, elements.n_unknowns, edge_mm, rel_l2))
        progress((k + 1) / len(orders))
    return errors


def convergence_rate(edge_mm: F64, errors: F64) -> float:
    """Return the slope of log error over log edge length, by least squares.

    >>> round(convergence_rate(np.array([4.0, 2.0, 1.0]), np.array([16.0, 4.0, 1.0])))
    2
    """
    return float(np.polyfit(np.log(edge_mm), np.log(errors), 1)[0])


def layered_ball(n_cells: int, radii_mm: dict[Tissue, float] | None = None) -> HeadMesh:
    """Return a cube of 6 n³ tetrahedra, each shell of it pressed onto a sphere.

    Interfaces lie on shells where 2 · radius / outermost radius · n is an even number.
    """
    radii = radii_mm or RADII_MM
    line = np.linspace(-1.0, 1.0, n_cells + 1)
    cube = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    cube = cube.reshape(-1, 3)
    shell = np.abs(cube).max(axis=1)
    length = np.maximum(np.linalg.norm(cube, axis=1), 1e-12)
    nodes_mm = max(radii.values()) * cube * (shell / length)[:, None]
    tetrahedra = _kuhn(n_cells)
    corners = nodes_mm[tetrahedra]
    flipped = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0.0
    tetrahedra[flipped] = tetrahedra[flipped][:, (0, 1, 3, 2)]
    # By the farthest corner: its shell, which a centroid only lies near.
    farthest = np.linalg.norm(nodes_mm[tetrahedra], axis=2).max(axis=1)
    tissue = np.zeros(len(tetrahedra), dtype=np.int64)
    for number, radius in sorted(radii.items(), reverse=True):
        tissue[farthest <= radius + 1e-6] = number
    return HeadMesh(nodes_mm, tetrahedra, tissue)


def sphere_poses() -> F64:
    """Return coil poses (n, 4, 4) above the ball's pole, looking down."""
    poses = np.tile(np.eye(4), (len(COIL_PLACES), 1, 1))
    for pose, (x, y, tilt_deg) in zip(poses, COIL_PLACES, strict=True):
        angle = np.radians(tilt_deg)
        pose[:3, :3] = (
            (1.0, 0.0, 0.0),
            (0.0, -np.cos(angle), np.sin(angle)),
            (0.0, -np.sin(angle), -np.cos(angle)),
        )
        # High enough for the tilted wings to stay outside the ball.
        pose[:3, 3] = (x, y, 95.0 + 0.5 * tilt_deg)
    return poses


def exact_field(points_mm: F64, coil: CoilDipoles, pose: F64) -> F64:
    """Return E (n, 3) in a ball about the origin, V/m per A/µs, by reciprocity.

    E(r₀)·q = −(dm/dt)·B_q(r) with the B of a current dipole q at r₀ (Sarvas 1987); it
    holds for any conductivity that depends on the radius only.
    """
    sources = transform_points(pose, coil.position_mm)
    moments = coil.moment_am2 @ pose[:3, :3].T
    return SCALE_A * np.array([_one_point(p, sources, moments) for p in points_mm])


def _one_point(point_mm: F64, sources: F64, moments: F64) -> F64:
    away = sources - point_mm
    a = np.linalg.norm(away, axis=1)[:, None]
    r = np.linalg.norm(sources, axis=1)[:, None]
    along = np.einsum("ni,ni->n", away, sources)[:, None]
    f = a * (r * a + r * r - (sources @ point_mm)[:, None])
    grad_f = (a * a / r + along / a + 2 * a + 2 * r) * sources
    grad_f -= (a + 2 * r + along / a) * point_mm
    field = np.zeros(3)
    for axis, q in enumerate(np.eye(3)):
        q_cross = np.cross(q, point_mm)
        b = (f * q_cross - (sources @ q_cross)[:, None] * grad_f) / f**2
        field[axis] = -np.sum(moments * b)
    return field


def _median_edge_mm(mesh: HeadMesh, tets: I64) -> float:
    corners = mesh.nodes_mm[mesh.tetrahedra[tets]]
    first, second = np.triu_indices(4, 1)
    lengths = np.linalg.norm(corners[:, first] - corners[:, second], axis=2)
    return float(np.median(lengths))


def _kuhn(n: int) -> I64:
    """Return the six tetrahedra of each cell of an n × n × n grid."""
    number = np.arange((n + 1) ** 3).reshape((n + 1,) * 3)
    cells = np.moveaxis(np.indices((n, n, n)), 0, -1).reshape(-1, 3)
    tetrahedra = []
    for order in permutations(np.eye(3, dtype=np.int64)):
        walk = np.cumsum([np.zeros(3, np.int64), *order], axis=0)
        tetrahedra.append(
            np.stack([number[tuple((cells + s).T)] for s in walk], axis=1)
        )
    return np.concatenate(tetrahedra)
