"""Conductivities of a head: where they go, and what they change."""

from dataclasses import replace

import numpy as np

from m2m_rt.fem import (
    DEFAULT_CONDUCTIVITIES,
    Conductivities,
    HeadMesh,
    Tissue,
    demo_coil,
    direct_fields,
    head_model,
)
from m2m_rt.fem.dask_blocks import ModelRecipe
from m2m_rt.fem.roi import containing_tets
from m2m_rt.fem.simnibs_errors import SIMNIBS_S_PER_M, tag_conductivities
from m2m_rt.fem.sphere import layered_ball
from m2m_rt.units import F64
from tests.support.fem_shapes import tilted_pose

BALL = layered_ball(9)
"""White matter to 50 mm, grey to 70 mm, scalp to 90 mm."""

POINTS_MM = np.array(((-12.0, 10.0, 60.0), (-12.0, -10.0, 60.0)))
POSE = tilted_pose(height_mm=105.0, tilt_deg=25.0)[np.newaxis]


def lopsided() -> HeadMesh:
    """Half of the grey matter made CSF: in a ball of shells no shell would matter."""
    right = BALL.nodes_mm[BALL.tetrahedra].mean(axis=1)[:, 0] > 0.0
    grey = BALL.tissue == Tissue.GM
    return replace(BALL, tissue=np.where(right & grey, int(Tissue.CSF), BALL.tissue))


def field(conductivities: Conductivities) -> F64:
    model = head_model(lopsided(), POINTS_MM, conductivities=conductivities)
    return direct_fields(model, demo_coil(), POSE)


def test_only_ratios_of_conductivities_matter() -> None:
    usual = field(DEFAULT_CONDUCTIVITIES)
    by_name = DEFAULT_CONDUCTIVITIES.by_name()
    twice = Conductivities(**{name: 2.0 * value for name, value in by_name.items()})
    assert np.allclose(field(twice), usual, rtol=1e-9)
    dry = field(DEFAULT_CONDUCTIVITIES.changed(Tissue.CSF, 0.2))
    assert not np.allclose(dry, usual, rtol=1e-3)


def test_every_tissue_has_its_own_value() -> None:
    found = Conductivities(1.0, 2.0, 3.0, 4.0, 5.0).of(np.array([5, 1, 2, 3, 4]))
    assert found.tolist() == [5.0, 1.0, 2.0, 3.0, 4.0]
    changed = DEFAULT_CONDUCTIVITIES.changed(Tissue.SKULL, 1.25)
    assert changed == replace(DEFAULT_CONDUCTIVITIES, skull=1.25 * 0.01)


def test_simnibs_is_given_its_own_values_where_ours_are_the_usual_ones() -> None:
    given = tag_conductivities(DEFAULT_CONDUCTIVITIES)
    assert np.allclose(given, list(SIMNIBS_S_PER_M.values()), rtol=1e-12)


def test_workers_tell_heads_of_other_conductivities_apart() -> None:
    model = head_model(BALL, POINTS_MM)
    other = replace(model, conductivities=Conductivities(gm=0.3))
    keys = {ModelRecipe.of(each, POINTS_MM).key for each in (model, other)}
    assert len(keys) == 2


def test_a_search_in_parts_finds_the_same_tetrahedra() -> None:
    rng = np.random.default_rng(2)
    points_mm = rng.normal(scale=30.0, size=(300, 3))
    every = len(BALL.tetrahedra)  # so that a few points are searched at a time
    many = containing_tets(BALL, points_mm, Tissue.WM, n_tried=every)
    inside = np.linalg.norm(points_mm, axis=1) < 45.0
    assert (many[inside] >= 0).all()
    assert (BALL.tissue[many[inside]] == Tissue.WM).all()
    one_by_one = [
        containing_tets(BALL, point[None], Tissue.WM)[0] for point in points_mm[:40]
    ]
    assert many[:40].tolist() == one_by_one
