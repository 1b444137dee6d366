"""Second-order elements, refinement and adaptation, against exact solutions."""

import numpy as np
import pytest
from support.fem_shapes import tilted_pose

from m2m_rt.fem import (
    HeadMesh,
    PardisoSolver,
    Tissue,
    coil_edge_integrals,
    demo_coil,
    direct_fields,
    head_model,
    linear_elements,
    volumes_mm3,
)
from m2m_rt.fem.adaptive import AdaptSettings, adapted_mesh, zone_elements
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES
from m2m_rt.fem.hybrid import HybridElements, hybrid_elements
from m2m_rt.fem.mesh import boundary_triangles
from m2m_rt.fem.reference import reference_errors, reference_of
from m2m_rt.fem.refine import near_points, refine
from m2m_rt.fem.sphere import convergence_rate, exact_field, layered_ball, sphere_errors
from m2m_rt.fem.twolevel import TwoLevelSolver
from m2m_rt.units import F64, I64

COIL = demo_coil()
POSE = tilted_pose(height_mm=108.0, tilt_deg=25.0)


def roi_points(n_points: int) -> F64:
    """Random points in the grey matter below the coil."""
    rng = np.random.default_rng(3)
    away = rng.normal(scale=0.15, size=(n_points, 3)) + np.array((0.0, 0.0, 1.0))
    points_mm: F64 = 65.5 * away / np.linalg.norm(away, axis=1, keepdims=True)
    return points_mm


def everywhere(mesh: HeadMesh) -> HybridElements:
    return hybrid_elements(mesh, np.ones(len(mesh.tetrahedra), dtype=bool))


def relative_error(found: F64, exact: F64) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_second_order_converges_to_the_exact_field_of_tilted_coils() -> None:
    found = [sphere_errors(n) for n in (9, 18, 27)]
    edge_mm = np.array([errors[1].edge_mm for errors in found])
    by_order = np.array([[max(e.rel_l2) for e in errors] for errors in found])
    assert convergence_rate(edge_mm, by_order[:, 0]) == pytest.approx(1.0, abs=0.2)
    assert convergence_rate(edge_mm, by_order[:, 1]) > 1.8
    assert by_order[-1, 1] < 0.011  # measured 0.0098 with edges of 7 mm


def test_a_quadratic_potentials_field_is_exact() -> None:
    mesh = layered_ball(9)
    elements = everywhere(mesh)
    x, y, z = mesh.nodes_mm.T
    ends = mesh.nodes_mm[elements.edges]
    middle = ends.mean(axis=1)

    def quadratic(points: F64) -> F64:
        return points[:, 0] * points[:, 1] - 0.5 * points[:, 2] ** 2

    bubble = quadratic(middle) - quadratic(ends.reshape(-1, 3)).reshape(-1, 2).mean(1)
    potential = np.concatenate((x * y - 0.5 * z**2, bubble))
    tets = np.arange(50)
    weights = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    points = np.einsum("nc,nci->ni", weights, mesh.nodes_mm[mesh.tetrahedra[tets]])
    wanted = np.column_stack((points[:, 1], points[:, 0], -points[:, 2]))
    found = (elements.gradient_at(tets, weights) @ potential).reshape(-1, 3)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_a_gauge_changes_no_field() -> None:
    mesh = layered_ball(9)
    elements = everywhere(mesh)
    sigma = DEFAULT_CONDUCTIVITIES.of(mesh.tissue)
    solver = PardisoSolver(elements.stiffness(sigma))
    gauge = mesh.nodes_mm[:, 0] ** 2 * mesh.nodes_mm[:, 1]
    integrals = gauge[elements.edges[:, 1]] - gauge[elements.edges[:, 0]]
    potential = solver.solve(elements.load(sigma) @ integrals[:, None])[:, 0]
    tets = np.arange(0, len(mesh.tetrahedra), 97)
    own = elements.centroid_dadt(tets) @ integrals
    total = elements.centroid_gradient(tets) @ potential + own
    # Of 1e4 V/m·mm in the gauge itself nothing is left but the solver's rounding.
    assert np.abs(total).max() < 1e-9 * np.abs(own).max()


def test_stiffness_without_a_zone_is_the_linear_one() -> None:
    mesh = layered_ball(9)
    sigma = DEFAULT_CONDUCTIVITIES.of(mesh.tissue)
    none = hybrid_elements(mesh, np.zeros(len(mesh.tetrahedra), dtype=bool))
    linear = linear_elements(mesh).stiffness(sigma)
    assert abs(none.stiffness(sigma) - linear).max() == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_refinement_keeps_volumes_and_leaves_no_hanging_node(seed: int) -> None:
    mesh = layered_ball(9)
    marked = np.random.default_rng(seed).random(len(mesh.tetrahedra)) < 0.05 * seed
    finer = refine(mesh, marked)
    assert volumes_mm3(finer).min() > 0.0
    for tissue in np.unique(mesh.tissue):
        assert volumes_mm3(finer)[finer.tissue == tissue].sum() == pytest.approx(
            volumes_mm3(mesh)[mesh.tissue == tissue].sum(), rel=1e-6
        )
    # A hanging node would leave faces with one tetrahedron inside the ball.
    outer = finer.nodes_mm[boundary_triangles(finer.tetrahedra)]
    assert np.linalg.norm(outer.mean(axis=1), axis=1).min() > 75.0


def test_marked_tetrahedra_become_eight() -> None:
    mesh = layered_ball(9)
    marked = np.ones(len(mesh.tetrahedra), dtype=bool)
    assert len(refine(mesh, marked).tetrahedra) == 8 * len(mesh.tetrahedra)


def test_two_level_and_direct_solvers_agree() -> None:
    mesh = layered_ball(9)
    elements = everywhere(mesh)
    sigma = DEFAULT_CONDUCTIVITIES.of(mesh.tissue)
    stiffness = elements.stiffness(sigma)
    integrals = coil_edge_integrals(
        COIL, POSE, nodes_mm=mesh.nodes_mm, edges=elements.edges
    )
    loads = (elements.load(sigma) @ integrals)[:, None]
    direct = PardisoSolver(stiffness).solve(loads)
    iterative = TwoLevelSolver(stiffness, len(mesh.nodes_mm)).solve(loads)
    np.testing.assert_allclose(iterative, direct, atol=1e-5 * np.abs(direct).max())


def test_adapting_halves_the_error_with_few_more_unknowns() -> None:
    mesh, points = layered_ball(18), roi_points(60)

    def integrals(nodes_mm: F64, edges: I64) -> F64:
        return coil_edge_integrals(COIL, POSE, nodes_mm=nodes_mm, edges=edges)[:, None]

    adapted = adapted_mesh(
        mesh,
        points,
        integrals,
        AdaptSettings(tets_a_step=(600,), influence_mm=6.0),
        lambda _: None,
    )
    assert zone_elements(adapted, points).n_unknowns < 2.2 * (
        zone_elements(mesh, points).n_unknowns
    )
    before, after = (field_error(each, points) for each in (mesh, adapted))
    assert after < 0.6 * before


def test_reference_tells_the_error_of_the_mesh() -> None:
    mesh, points = layered_ball(18), roi_points(60)
    model = head_model(mesh, points, order=2)
    finer = reference_of(mesh, points, points[0])
    own = direct_fields(model, COIL, POSE[np.newaxis])
    told = reference_errors(own, finer, COIL, POSE[np.newaxis])
    true = field_error(mesh, points)
    assert float(told.rel_l2[0]) == pytest.approx(true, rel=0.6)


def test_near_points_takes_only_what_is_near() -> None:
    mesh, points = layered_ball(9), roi_points(5)
    near = near_points(mesh, points, 8.0)
    centroids = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    away = np.linalg.norm(centroids[:, None] - points, axis=2).min(axis=1)
    assert (near == (away <= 8.0)).all()


def field_error(mesh: HeadMesh, points: F64) -> float:
    """Relative L2 error of second-order elements at the points."""
    model = head_model(mesh, points, order=2)
    integrals = coil_edge_integrals(
        COIL, POSE, nodes_mm=mesh.nodes_mm, edges=model.elements.edges
    )
    assert (mesh.tissue == Tissue.GM).any()
    field = model.field(integrals[:, None]).reshape(-1, 3)
    return relative_error(field, exact_field(points, COIL, POSE))
