"""The demo coil's primary field: definitions, symmetries, signs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.fem_shapes import tilted_pose

from m2m_rt.fem import (
    CoilDipoles,
    FigureEightSettings,
    coil_edge_integrals,
    coil_sha256,
    demo_coil,
    didt_a,
    didt_b,
    sample_b,
    unit_edge_integrals,
)
from m2m_rt.geometry import inverse, transform_points

COIL = demo_coil()
STEP_MM = 0.05
NONE = np.zeros((0, 3))

places = st.tuples(
    st.floats(-80.0, 80.0), st.floats(-80.0, 80.0), st.floats(10.0, 90.0)
).map(lambda p: np.array([p]))


def jacobian(point_mm: np.ndarray) -> np.ndarray:
    """∂A_i/∂x_j by central differences, per mm."""
    steps = STEP_MM * np.eye(3)
    ahead, behind = didt_a(COIL, point_mm + steps), didt_a(COIL, point_mm - steps)
    return (ahead - behind).T / (2.0 * STEP_MM)


@given(point_mm=places)
def test_curl_of_dadt_is_db_dt(point_mm: np.ndarray) -> None:
    slope = jacobian(point_mm) * 1e3  # per metre
    curl = np.array(
        (
            slope[2, 1] - slope[1, 2],
            slope[0, 2] - slope[2, 0],
            slope[1, 0] - slope[0, 1],
        )
    )
    b = didt_b(COIL, point_mm)[0]
    # Differences of second order: relative to the largest slope.
    assert np.abs(curl - b).max() < 1e-3 * np.abs(slope).max() + 1e-6


@given(point_mm=places)
def test_dadt_is_free_of_divergence(point_mm: np.ndarray) -> None:
    slope = jacobian(point_mm)
    assert abs(np.trace(slope)) < 1e-3 * np.abs(slope).max() + 1e-9


def test_wings_cancel_and_each_has_the_moment_of_its_turns() -> None:
    settings = FigureEightSettings()
    radii = np.linspace(
        settings.inner_radius_mm, settings.outer_radius_mm, settings.n_turns
    )
    expected = np.pi * (radii**2).sum() * 1e-6  # A·m² per ampere
    right = COIL.moment_am2[COIL.position_mm[:, 0] > 0.0, 2].sum()
    np.testing.assert_allclose(right, expected, rtol=1e-12)
    np.testing.assert_allclose(COIL.moment_am2.sum(axis=0), 0.0, atol=1e-12)


def test_rising_current_induces_a_field_along_plus_y_under_the_centre() -> None:
    induced = -didt_a(COIL, np.array([(0.0, 0.0, 15.0)]))[0]
    assert induced[1] > 1.0  # V/m per A/µs
    assert abs(induced[0]) < 1e-9
    assert abs(induced[2]) < 1e-9


def test_windings_lie_behind_the_casing_and_dipoles_behind_the_windings() -> None:
    casing_mm = FigureEightSettings().casing_mm
    assert (COIL.winding_mm[:, 2] == -casing_mm).all()
    assert COIL.position_mm[:, 2].max() < -casing_mm


def test_grid_holds_the_field_at_its_nodes() -> None:
    low, high = np.array((-10.0, 0.0, 20.0)), np.array((10.0, 12.0, 40.0))
    origin, b = sample_b(COIL, low_mm=low, high_mm=high, spacing_mm=4.0)
    node = origin + 4.0 * np.array((2, 1, 3))
    assert b.shape == (6, 4, 6, 3)
    np.testing.assert_allclose(b[2, 1, 3], didt_b(COIL, node[None])[0], rtol=1e-6)


def test_edge_integrals_are_those_of_dadt_in_the_head_frame() -> None:
    rng = np.random.default_rng(3)
    nodes_mm = rng.uniform(-40.0, 40.0, size=(20, 3))
    nodes_mm[10:] = nodes_mm[:10] + rng.normal(size=(10, 3))
    edges = np.column_stack((np.arange(10), np.arange(10, 20)))
    pose = tilted_pose(height_mm=80.0, tilt_deg=20.0)
    found = coil_edge_integrals(COIL, pose, nodes_mm=nodes_mm, edges=edges)
    along = nodes_mm[edges[:, 1]] - nodes_mm[edges[:, 0]]
    steps = (np.arange(200) + 0.5) / 200.0
    for edge in range(10):
        points = nodes_mm[edges[edge, 0]] + steps[:, None] * along[edge]
        local = didt_a(COIL, transform_points(inverse(pose), points))
        expected = (local @ pose[:3, :3].T).mean(axis=0) @ along[edge]
        assert abs(found[edge] - expected) < 1e-5 * np.linalg.norm(along[edge])


def test_unit_integrals_add_up_to_the_coils() -> None:
    rng = np.random.default_rng(4)
    nodes_mm = rng.uniform(20.0, 100.0, size=(8, 3))
    edges = np.array([(0, 1), (2, 3), (4, 5), (6, 7)])
    each = unit_edge_integrals(nodes_mm[edges], COIL.position_mm, COIL.moment_am2)
    whole = coil_edge_integrals(COIL, np.eye(4), nodes_mm=nodes_mm, edges=edges)
    # One side is in float32.
    np.testing.assert_allclose(each.sum(axis=1), whole, rtol=1e-5)


def test_line_integrals_are_those_of_a_dense_quadrature_even_close_to_a_dipole() -> (
    None
):
    rng = np.random.default_rng(4)
    dipole = CoilDipoles("one", np.zeros((1, 3)), np.array([[0.2, -1.0, 0.5]]), NONE)
    ends = rng.uniform(-6.0, 6.0, size=(20, 2, 3)) + np.array((0.0, 0.0, 12.0))
    exact = unit_edge_integrals(ends, dipole.position_mm, dipole.moment_am2)[:, 0]
    places, weights = np.polynomial.legendre.leggauss(60)
    step = ends[:, 1] - ends[:, 0]
    summed = np.zeros(len(ends))
    for place, weight in zip(places, weights, strict=True):
        at = didt_a(dipole, ends[:, 0] + 0.5 * (1.0 + place) * step)
        summed += 0.5 * weight * (at * step).sum(axis=1)
    np.testing.assert_allclose(exact, summed, rtol=1e-9)


def test_an_edge_in_line_with_a_dipole_has_no_integral() -> None:
    ends = np.array([[[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]])
    found = unit_edge_integrals(ends, np.zeros((1, 3)), np.array([[1.0, 2.0, 3.0]]))
    assert abs(found[0, 0]) < 1e-12


def test_the_hash_tells_coils_apart() -> None:
    wider = demo_coil(FigureEightSettings(wing_offset_mm=46.0))
    assert coil_sha256(wider) != coil_sha256(COIL)
