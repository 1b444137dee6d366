from itertools import pairwise

import numpy as np
import pytest

from m2m_rt.adapters.coil_file import CoilFile, SampledPotential
from m2m_rt.errors import DataError
from m2m_rt.fem import (
    CoilDipoles,
    FigureEightSettings,
    coil_sha256,
    demo_coil,
    didt_a,
    didt_b,
)
from m2m_rt.fem.coil_from_file import (
    MOST_WINDING_POINTS,
    coil_from_file,
    winding_points,
)
from m2m_rt.fem.coil_shapes import CONE_WING, ROUND, double_cone_coil, round_coil
from m2m_rt.fem.sources import coil_edge_integrals
from m2m_rt.units import F64
from tests.support.coils import loop
from tests.support.fem_shapes import tilted_pose

NONE = np.zeros((0, 3))
RADIUS_MM = 40.0
AXIS_MM = np.column_stack((np.zeros(5), np.zeros(5), np.linspace(15.0, 90.0, 5)))
BELOW_MM = np.random.default_rng(5).uniform((-50, -50, 15), (50, 50, 80), (60, 3))


def coil_file(**parts: object) -> CoilFile:
    empty: dict[str, object] = dict.fromkeys(
        ("dipole_mm", "dipole_am2", "segment_mm", "segment_vector_mm", "casing_mm"),
        NONE,
    )
    names = {"name": "t", "brand": "", "stimulator": "", "sampled": ()}
    limits = {"didt_max_a_per_us": None, "didt_display_a_per_us": None}
    return CoilFile(**(empty | names | limits | parts))  # type: ignore[arg-type] # mixed


def conductor() -> CoilDipoles:
    middles, vectors = loop(RADIUS_MM, 0.0, n=720)
    return coil_from_file(coil_file(segment_mm=middles, segment_vector_mm=vectors))


def sheet() -> CoilDipoles:
    """The same loop as a fine sheet of dipoles, one ampere round each ring."""
    edges = np.linspace(0.0, RADIUS_MM, 41)
    places, moments = [], []
    for low, high in pairwise(edges):
        n = 120
        angles = 2.0 * np.pi * (np.arange(n) + 0.5) / n
        ring = 0.5 * (low + high) * np.column_stack((np.cos(angles), np.sin(angles)))
        places.append(np.column_stack((ring, np.zeros(n))))
        area_m2 = np.pi * (high**2 - low**2) / n * 1e-6
        moments.append(np.tile((0.0, 0.0, area_m2), (n, 1)))
    return coil_from_file(
        coil_file(dipole_mm=np.concatenate(places), dipole_am2=np.concatenate(moments))
    )


def on_axis_b(radius_mm: float, z_mm: F64) -> F64:
    """dB/dt of a loop on its axis: µ0 R² / 2 (R² + z²)^1.5, T/s per A/µs."""
    return 2e-7 * np.pi * 1e6 * 1e3 * radius_mm**2 / (radius_mm**2 + z_mm**2) ** 1.5


def rel_l2(found: F64, expected: F64) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_loop_of_conductors_has_the_exact_field_on_its_axis() -> None:
    found = didt_b(conductor(), AXIS_MM)
    expected = on_axis_b(RADIUS_MM, AXIS_MM[:, 2])
    np.testing.assert_allclose(
        found[:, 2], expected, rtol=5e-5
    )  # chords for the circle
    np.testing.assert_allclose(found[:, :2], 0.0, atol=1e-9 * expected.max())


def test_conductors_and_the_dipole_sheet_that_they_bound_have_one_field() -> None:
    assert rel_l2(didt_b(conductor(), BELOW_MM), didt_b(sheet(), BELOW_MM)) < 1e-3
    assert rel_l2(didt_a(conductor(), BELOW_MM), didt_a(sheet(), BELOW_MM)) < 1e-3


def test_field_of_conductors_is_the_curl_of_their_potential() -> None:
    coil, h = conductor(), 0.05
    steps = np.eye(3) * h
    slope = [
        (didt_a(coil, BELOW_MM + step) - didt_a(coil, BELOW_MM - step)) / (2e-3 * h)
        for step in steps
    ]
    curl = np.column_stack(
        (
            slope[1][:, 2] - slope[2][:, 1],
            slope[2][:, 0] - slope[0][:, 2],
            slope[0][:, 1] - slope[1][:, 0],
        )
    )
    assert rel_l2(curl, didt_b(coil, BELOW_MM)) < 1e-5


def sampled_loop(spacing_mm: float) -> CoilDipoles:
    axes = [np.arange(-60.0, 60.1, spacing_mm)] * 2
    axes.append(np.arange(4.0, 100.1, spacing_mm))
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    potential = didt_a(sheet(), nodes.reshape(-1, 3)).reshape(nodes.shape) / 1e6
    affine = np.diag((spacing_mm, spacing_mm, spacing_mm, 1.0))
    affine[:3, 3] = -60.0, -60.0, 4.0
    casing = np.array(((0.0, 0.0, 0.0), (40.0, 0.0, 0.0), (0.0, 40.0, 0.0)))
    grid = SampledPotential(affine, potential)
    return coil_from_file(coil_file(sampled=(grid,), casing_mm=casing))


def test_sampled_potential_gives_the_field_to_the_grid_s_accuracy() -> None:
    fine, coarse = sampled_loop(2.0), sampled_loop(4.0)
    for of_coil in (didt_a, didt_b):
        expected = of_coil(sheet(), BELOW_MM)
        errors = [rel_l2(of_coil(coil, BELOW_MM), expected) for coil in (coarse, fine)]
        assert errors[1] < 0.006
        assert errors[0] / errors[1] > 2.5  # about second order


def test_sampled_potential_is_never_extrapolated() -> None:
    with pytest.raises(DataError, match="outside the grid"):
        didt_b(sampled_loop(4.0), np.array(((0.0, 0.0, 101.0),)))


def test_sampled_potential_without_casing_is_refused() -> None:
    grid = SampledPotential(np.eye(4), np.ones((2, 2, 2, 3)))
    with pytest.raises(DataError, match="casing"):
        coil_from_file(coil_file(sampled=(grid,)))


def test_edge_integrals_of_conductors_are_those_of_their_dipole_sheet() -> None:
    pose = tilted_pose(height_mm=100.0, tilt_deg=20.0)
    nodes = np.random.default_rng(2).uniform(-60.0, 60.0, (50, 3))
    edges = np.arange(50).reshape(25, 2)
    found, expected = (
        coil_edge_integrals(coil, pose, nodes_mm=nodes, edges=edges)
        for coil in (conductor(), sheet())
    )
    assert rel_l2(found, expected) < 1e-3


def test_hash_tells_coils_apart_that_differ_in_conductors_only() -> None:
    other = coil_from_file(
        coil_file(segment_mm=loop(41.0, 0.0)[0], segment_vector_mm=loop(41.0, 0.0)[1])
    )
    assert coil_sha256(conductor()) != coil_sha256(other)
    assert coil_sha256(conductor()) == coil_sha256(conductor())


def nearest_mm(points: F64, pose: F64) -> float:
    moved = points @ pose[:3, :3].T + pose[:3, 3]
    return float(np.linalg.norm(moved, axis=1).min())


@pytest.mark.parametrize("tilt_deg", [0.0, 10.0, 20.0, 30.0])
def test_thinned_winding_is_as_near_to_a_head_as_all_sources(tilt_deg: float) -> None:
    rng = np.random.default_rng(8)
    sources = rng.uniform((-90.0, -45.0, -12.0), (90.0, 45.0, -4.0), (4000, 3))
    thinned = winding_points(sources)
    pose = tilted_pose(height_mm=100.0, tilt_deg=tilt_deg)
    assert len(thinned) <= MOST_WINDING_POINTS
    assert nearest_mm(thinned, pose) - nearest_mm(sources, pose) < 0.4


def test_round_coil_has_the_field_of_its_turns() -> None:
    turns = np.linspace(ROUND.inner_radius_mm, ROUND.outer_radius_mm, ROUND.n_turns)
    depth = ROUND.casing_mm + 0.5 * ROUND.wire_height_mm
    expected = sum(on_axis_b(r, AXIS_MM[:, 2] + depth) for r in turns)
    found = didt_b(round_coil(), AXIS_MM)[:, 2]
    np.testing.assert_allclose(found, expected, rtol=0.01)  # two layers for the height


def test_double_cone_is_stronger_at_depth_than_the_figure_of_eight() -> None:
    deep_mm = np.array(((0.0, 0.0, 60.0),))
    cone, eight = (
        didt_a(coil, deep_mm)[0, 1] for coil in (double_cone_coil(), demo_coil())
    )
    assert cone / CONE_WING.n_turns / (eight / FigureEightSettings().n_turns) > 1.5


@pytest.mark.parametrize("coil", [round_coil(), double_cone_coil()])
def test_no_dipole_lies_in_front_of_the_winding_s_face(coil: CoilDipoles) -> None:
    head = np.array((0.0, 0.0, 95.0))
    nearest = np.linalg.norm(coil.winding_mm - head, axis=1).min()
    assert np.linalg.norm(coil.position_mm - head, axis=1).min() > nearest - 0.1
