"""First-order finite elements against the exact solution in a sphere."""

import numpy as np
import pytest
from support.fem_shapes import ball, exact_field_in_ball, tilted_pose

from m2m_rt.fem import (
    MultigridSolver,
    PardisoSolver,
    coil_edge_integrals,
    demo_coil,
    linear_elements,
    make_solver,
)
from m2m_rt.units import F64

CONDUCTIVITY = 0.33
POSE = tilted_pose(height_mm=105.0, tilt_deg=25.0)
COIL = demo_coil()


def fem_and_exact(n_cells: int) -> tuple[F64, F64]:
    """Fields at centroids below the coil, where the brain would be."""
    mesh = ball(n_cells)
    elements = linear_elements(mesh)
    conductivity = np.full(len(mesh.tetrahedra), CONDUCTIVITY)
    integrals = coil_edge_integrals(
        COIL, POSE, nodes_mm=mesh.nodes_mm, edges=elements.edges
    )
    loads = elements.load(conductivity) @ integrals[:, None]
    potential = make_solver(elements.stiffness(conductivity)).solve(loads)[:, 0]
    centroids = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    below = np.linalg.norm(centroids - (0.0, 0.0, 75.0), axis=1) < 45.0
    below &= np.linalg.norm(centroids, axis=1) < 80.0
    rng = np.random.default_rng(0)
    tets = rng.choice(np.flatnonzero(below), 150)
    gradient = elements.centroid_gradient(tets) @ potential
    dadt = elements.centroid_dadt(tets) @ integrals
    exact = exact_field_in_ball(centroids[tets], COIL, POSE)
    return -(gradient + dadt).reshape(-1, 3), exact


def relative_error(n_cells: int) -> float:
    computed, exact = fem_and_exact(n_cells)
    return float(np.linalg.norm(computed - exact) / np.linalg.norm(exact))


def test_field_of_a_tilted_coil_converges_to_the_exact_one_at_first_order() -> None:
    coarse, middle, fine = (relative_error(n) for n in (10, 20, 30))
    rate = np.log(coarse / fine) / np.log(3.0)
    assert rate > 0.85  # elementwise gradients of P1 converge with the edge length
    assert coarse > middle > fine
    assert fine < 0.08  # measured 0.073: 162 000 tetrahedra of 6 mm in a 90 mm ball


def test_exact_field_has_no_radial_part() -> None:
    points_mm = np.array([(10.0, 20.0, 60.0), (-30.0, 5.0, 40.0)])
    field = exact_field_in_ball(points_mm, COIL, POSE)
    radial = np.einsum("ni,ni->n", field, points_mm)
    assert np.abs(radial).max() < 1e-9 * np.linalg.norm(field) * 60.0


def test_multigrid_and_direct_solvers_agree() -> None:
    pytest.importorskip("pypardiso", reason="no Pardiso wheel on this platform")
    mesh = ball(10)
    elements = linear_elements(mesh)
    conductivity = np.full(len(mesh.tetrahedra), CONDUCTIVITY)
    stiffness = elements.stiffness(conductivity)
    integrals = coil_edge_integrals(
        COIL, POSE, nodes_mm=mesh.nodes_mm, edges=elements.edges
    )
    loads = np.column_stack([elements.load(conductivity) @ integrals] * 2)
    direct = PardisoSolver(stiffness).solve(loads)
    iterative = MultigridSolver(stiffness).solve(loads)
    # The iterative residual is 1e-9; the condition number costs some digits.
    np.testing.assert_allclose(iterative, direct, atol=1e-6 * np.abs(direct).max())
