"""Patch recovery, the region of interest and the tissue grids."""

import numpy as np
import pytest
from support.fem_shapes import ball, layered_ball

from m2m_rt.errors import DataError
from m2m_rt.fem import Surface, Tissue, VoxelGrid, patch_weights, rasterise
from m2m_rt.fem.mesh import boundary_triangles, outer_boundary
from m2m_rt.fem.roi import containing_tets, distance_to_line
from m2m_rt.fem.surfaces import level_set, signed_distance, thin_to_number

SHELLS = layered_ball(14, {1: 50.0, 2: 75.0, 5: 90.0})


def points_in_shell(n_points: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(n_points, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points_mm = directions * rng.uniform(60.0, 66.0, size=(n_points, 1))
    return points_mm[containing_tets(SHELLS, points_mm, Tissue.GM) >= 0]


def test_recovery_is_exact_for_linear_fields() -> None:
    points_mm = points_in_shell(60)
    weights, tets = patch_weights(SHELLS, points_mm, Tissue.GM)
    centroids = SHELLS.nodes_mm[SHELLS.tetrahedra[tets]].mean(axis=1)
    slope = np.array((0.3, -1.2, 0.7))
    found = weights @ (centroids @ slope + 2.0)
    np.testing.assert_allclose(found, points_mm @ slope + 2.0, rtol=1e-9)


def test_recovery_takes_nothing_from_other_tissues() -> None:
    points_mm = points_in_shell(60)
    _, tets = patch_weights(SHELLS, points_mm, Tissue.GM)
    assert (SHELLS.tissue[tets] == Tissue.GM).all()


def test_recovery_refuses_points_outside_the_tissue() -> None:
    with pytest.raises(DataError, match="in no GM"):
        patch_weights(SHELLS, np.array([(0.0, 0.0, 5.0)]), Tissue.GM)


def test_every_centroid_is_found_in_its_own_tetrahedron() -> None:
    gm = np.flatnonzero(SHELLS.tissue == Tissue.GM)[::50]
    centroids = SHELLS.nodes_mm[SHELLS.tetrahedra[gm]].mean(axis=1)
    assert (containing_tets(SHELLS, centroids, Tissue.GM) == gm).all()
    assert (containing_tets(SHELLS, centroids, Tissue.WM) == -1).all()


def test_distance_to_a_line_is_that_to_its_nearest_piece() -> None:
    line = np.array([(0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (10.0, 10.0, 0.0)])
    points = np.array([(5.0, 3.0, 0.0), (13.0, 14.0, 0.0), (-2.0, 0.0, 0.0)])
    np.testing.assert_allclose(distance_to_line(points, line), (3.0, 5.0, 2.0))


def test_boundary_of_a_ball_is_closed_and_as_large_as_its_sphere() -> None:
    mesh = ball(10)
    corners = mesh.nodes_mm[boundary_triangles(mesh.tetrahedra)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Vector areas of a closed surface cancel.
    np.testing.assert_allclose(across.sum(axis=0), 0.0, atol=1e-6)
    area = 0.5 * np.linalg.norm(across, axis=1).sum()
    assert area == pytest.approx(4.0 * np.pi * 90.0**2, rel=0.02)


def ball_surface() -> Surface:
    return outer_boundary(ball(12, 30.0), Tissue.SCALP)


def test_rasterised_ball_has_the_balls_volume() -> None:
    grid = VoxelGrid(np.full(3, -36.0), 1.0, (73, 73, 73))
    inside = rasterise(ball_surface(), grid)
    # A faceted ball of 12 cells lacks about 2 % of its sphere.
    assert inside.sum() == pytest.approx(4.0 / 3.0 * np.pi * 30.0**3, rel=0.03)
    assert inside[36, 36, 36]
    assert not inside[0, 0].any()


def test_rasterising_part_of_a_surface_agrees_with_the_whole() -> None:
    whole = rasterise(ball_surface(), VoxelGrid(np.full(3, -36.0), 1.0, (73,) * 3))
    part = rasterise(ball_surface(), VoxelGrid(np.full(3, -6.0), 1.0, (40,) * 3))
    assert (part == whole[30:70, 30:70, 30:70]).all()


def test_signed_distance_is_right_inside_near_and_far() -> None:
    grid = VoxelGrid(np.full(3, -60.0), 2.0, (61, 61, 61))
    distance = signed_distance(ball_surface(), grid).distance_mm
    assert distance[30, 30, 30] == pytest.approx(-30.0, abs=0.8)
    assert distance[30, 30, 47] == pytest.approx(4.0, abs=0.3)
    assert distance[30, 30, 60] == pytest.approx(30.0, abs=0.3)


def test_level_set_lies_at_its_distance_with_unit_normals() -> None:
    grid = VoxelGrid(np.full(3, -40.0), 2.0, (41, 41, 41))
    points_mm, normals = level_set(signed_distance(ball_surface(), grid), 4.0)
    radius = np.linalg.norm(points_mm, axis=1)
    np.testing.assert_allclose(radius, 34.0, atol=0.5)
    radial = np.abs(np.einsum("ni,ni->n", points_mm, normals)) / radius
    assert np.median(radial) > 0.99


def test_thinning_keeps_about_the_wanted_number_finest_at_the_centre() -> None:
    rng = np.random.default_rng(6)
    points_mm = rng.normal(size=(30_000, 3))
    points_mm *= 90.0 / np.linalg.norm(points_mm, axis=1, keepdims=True)
    kept, areas = thin_to_number(
        points_mm, np.array((0.0, 0.0, 90.0)), n_wanted=800, nearest_mm=4.0
    )
    assert 700 < len(kept) < 900
    assert areas.min() == pytest.approx(16.0)
    assert areas[0] < areas[-1]
