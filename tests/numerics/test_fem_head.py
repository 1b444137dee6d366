"""The demo head as it comes out of the installed wheels."""

import numpy as np
import pytest

from m2m_rt.fem import Surface, hand_knob_mm, load_demo_head
from m2m_rt.fem.head import outward_vertex_normals

pytest.importorskip("mne", reason="the offline extra is not installed")
pytest.importorskip("nilearn", reason="the offline extra is not installed")


def volume_ml(surface: Surface) -> float:
    a, b, c = np.moveaxis(surface.points_mm[surface.triangles], 1, 0)
    return abs(np.einsum("mi,mi->", a, np.cross(b, c))) / 6e3


def test_demo_heads_surfaces_are_in_one_frame_in_mm_and_nested() -> None:
    head = load_demo_head()
    pial = sum(volume_ml(s) for s in head.pial)
    white = sum(volume_ml(s) for s in head.white)
    assert white < pial < volume_ml(head.inner_skull) < volume_ml(head.scalp)
    assert 900.0 < pial < 1100.0
    for inner, outer in (
        (head.pial[0], head.inner_skull),
        (head.inner_skull, head.scalp),
    ):
        assert (inner.points_mm.min(axis=0) > outer.points_mm.min(axis=0)).all()
        assert (inner.points_mm.max(axis=0) < outer.points_mm.max(axis=0)).all()


def test_hand_knob_is_on_the_left_pial_surface_where_expected() -> None:
    knob = hand_knob_mm(load_demo_head())
    assert np.linalg.norm(knob - (-38.0, -22.0, 57.0)) < 3.0


def test_vertex_normals_point_out_of_the_cortex() -> None:
    surface = load_demo_head().pial[0]
    normals = outward_vertex_normals(surface)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    grown = Surface(surface.points_mm + 0.1 * normals, surface.triangles)
    assert volume_ml(grown) > volume_ml(surface)
