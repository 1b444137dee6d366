"""Which points of a region are refined and compared most closely."""

import numpy as np

from m2m_rt.fem.focus import FOCUS_POINTS, N_ELSEWHERE, compared_rows, in_focus


def test_a_region_of_few_points_is_in_focus_all_over() -> None:
    points = np.random.default_rng(1).normal(size=(FOCUS_POINTS, 3))
    assert in_focus(points, np.zeros(3)).all()
    assert (compared_rows(points, np.zeros(3)) == np.arange(FOCUS_POINTS)).all()


def test_a_whole_cortex_is_in_focus_near_the_coil_and_drawn_from_elsewhere() -> None:
    points = np.random.default_rng(1).normal(size=(3 * FOCUS_POINTS, 3))
    centre = np.array((1.0, 0.0, 0.0))
    near = in_focus(points, centre)
    away = np.linalg.norm(points - centre, axis=1)
    assert near.sum() == FOCUS_POINTS
    assert away[near].max() <= away[~near].min()
    rows = compared_rows(points, centre)
    assert set(np.flatnonzero(near)) <= set(rows)
    assert len(rows) == FOCUS_POINTS + N_ELSEWHERE
    assert (rows == compared_rows(points, centre)).all()
