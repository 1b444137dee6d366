"""Identities that linear elements and edge-wise dA/dt must fulfil exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fem_shapes import ball, layered_ball

from m2m_rt.errors import ConfigError
from m2m_rt.fem import elements_of_order, linear_elements, make_solver, volumes_mm3

MESH = ball(6)
ELEMENTS = linear_elements(MESH)
CONDUCTIVITY = 0.1 + np.random.default_rng(1).uniform(size=len(MESH.tetrahedra))


def edge_differences(at_nodes: np.ndarray) -> np.ndarray:
    first, second = ELEMENTS.edges.T
    return at_nodes[second] - at_nodes[first]


def test_volumes_add_up_to_the_balls_as_the_mesh_gets_finer() -> None:
    exact = 4.0 / 3.0 * np.pi * 90.0**3
    missing = [1.0 - volumes_mm3(ball(n)).sum() / exact for n in (8, 16)]
    assert 0.0 < missing[1] < missing[0] / 3.5  # facets cut off h² of a sphere
    assert volumes_mm3(MESH).min() > 0.0


def test_a_constant_potential_carries_no_current() -> None:
    rows = ELEMENTS.stiffness(CONDUCTIVITY) @ np.ones(ELEMENTS.n_unknowns)
    assert np.abs(rows).max() < 1e-10


def test_a_linear_potentials_energy_is_exact() -> None:
    slope = np.array((0.3, -1.2, 0.7))
    potential = MESH.nodes_mm @ slope
    energy = potential @ (ELEMENTS.stiffness(CONDUCTIVITY) @ potential)
    exact = slope @ slope * (CONDUCTIVITY * volumes_mm3(MESH)).sum()
    assert energy == pytest.approx(exact, rel=1e-10)


def test_gradient_is_exact_for_a_linear_potential() -> None:
    slope = np.array((0.3, -1.2, 0.7))
    tets = np.arange(50)
    gradient = ELEMENTS.centroid_gradient(tets) @ (MESH.nodes_mm @ slope)
    np.testing.assert_allclose(gradient.reshape(-1, 3), np.tile(slope, (50, 1)))


def test_dadt_of_a_uniform_db_dt_is_exact_at_centroids() -> None:
    spin = np.array((0.2, 0.5, -0.4))
    ends = MESH.nodes_mm[ELEMENTS.edges]
    # A = spin × r is linear, so its mean along an edge is its value in the middle.
    middle = np.cross(spin, ends.mean(axis=1))
    integrals = np.einsum("ei,ei->e", middle, ends[:, 1] - ends[:, 0])
    tets = np.arange(len(MESH.tetrahedra))
    centroids = MESH.nodes_mm[MESH.tetrahedra].mean(axis=1)
    found = (ELEMENTS.centroid_dadt(tets) @ integrals).reshape(-1, 3)
    np.testing.assert_allclose(found, np.cross(spin, centroids), atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_field_does_not_depend_on_the_gauge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chi = rng.normal(size=ELEMENTS.n_unknowns)
    loads = ELEMENTS.load(CONDUCTIVITY) @ edge_differences(chi)
    potential = SOLVER.solve(loads[:, None])[:, 0]
    tets = np.arange(len(MESH.tetrahedra))
    field = ELEMENTS.centroid_gradient(tets) @ potential
    field += ELEMENTS.centroid_dadt(tets) @ edge_differences(chi)
    # ∇χ added to dA/dt is no field at all: rounding is what is left.
    assert np.abs(field).max() < 1e-9 * np.abs(chi).max()


SOLVER = make_solver(ELEMENTS.stiffness(CONDUCTIVITY))


def test_the_load_of_a_gradient_is_the_stiffness_of_its_potential() -> None:
    chi = np.random.default_rng(2).normal(size=ELEMENTS.n_unknowns)
    loads = ELEMENTS.load(CONDUCTIVITY) @ edge_differences(chi)
    expected = -(ELEMENTS.stiffness(CONDUCTIVITY) @ chi)
    np.testing.assert_allclose(loads, expected, atol=1e-9)


def test_tissues_of_a_layered_ball_are_nested() -> None:
    mesh = layered_ball(12, {1: 40.0, 2: 60.0, 5: 90.0})
    volumes = np.bincount(mesh.tissue, volumes_mm3(mesh))
    assert volumes[1] < volumes[2] < volumes[5]


def test_an_order_without_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="element_order"):
        elements_of_order(2, MESH)


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(ConfigError, match="solver"):
        make_solver(ELEMENTS.stiffness(CONDUCTIVITY), "magic")
