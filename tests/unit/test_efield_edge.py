import numpy as np
import pytest

from m2m_rt.efield import RegionGuard, draw_pose, edge_margin
from m2m_rt.errors import DataError
from tests.support.efield import PLANNED_DIRECTION, make_synthetic_table

TABLE = make_synthetic_table()
GUARD = RegionGuard(TABLE.region, TABLE.coil.winding_mm)
PLANNED = TABLE.region.planned_head_from_coil


def raised(winding_mm: float) -> float:
    """Return the margin of the planned pose, slid along the normal."""
    pose = PLANNED.copy()
    pose[:3, 3] += (winding_mm - GUARD.nearest_winding_mm(PLANNED)) * PLANNED_DIRECTION
    return edge_margin(TABLE.region, GUARD, pose)


def test_margin_is_one_in_the_middle_and_none_on_each_edge() -> None:
    region = TABLE.region
    middle_mm = 0.5 * (region.min_winding_mm + region.max_winding_mm)
    # The synthetic planned pose is tilted by the scalp grid's own error only.
    assert raised(middle_mm) == pytest.approx(1.0, abs=0.02)
    assert raised(region.min_winding_mm) == pytest.approx(0.0, abs=0.02)
    assert raised(region.max_winding_mm) == pytest.approx(0.0, abs=0.02)
    assert raised(0.25 * region.min_winding_mm + 0.75 * middle_mm) == pytest.approx(
        0.75, abs=0.02
    )


def test_margin_of_an_offset_is_what_is_left_of_it() -> None:
    pose = PLANNED.copy()
    pose[:3, 3] += 24.0 * PLANNED[:3, 0]
    # float32 grid: the outward normal
    assert edge_margin(TABLE.region, GUARD, pose) == pytest.approx(0.2, abs=1e-6)


def test_drawn_poses_have_a_margin_from_nought_to_one() -> None:
    rng = np.random.default_rng(2)
    poses = [draw_pose(TABLE.region, GUARD, rng) for _ in range(100)]
    margins = [edge_margin(TABLE.region, GUARD, pose) for pose in poses]
    assert min(margins) >= 0.0
    assert max(margins) <= 1.0
    assert max(margins) > 0.5


def test_pose_off_the_scalp_grid_has_no_margin() -> None:
    pose = PLANNED.copy()
    pose[:3, 3] = 900.0
    with pytest.raises(DataError, match="scalp grid"):
        edge_margin(TABLE.region, GUARD, pose)
