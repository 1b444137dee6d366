"""Where a coil is planned: its strongest field over the target, whatever its kind."""

import numpy as np
import pytest

from m2m_rt.efield import RegionGuard
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    CoilDipoles,
    TableSetup,
    demo_coil,
    didt_a,
    double_cone_coil,
    round_coil,
    setup_for_coil,
    setup_like,
)
from m2m_rt.fem.plan import focus_of
from m2m_rt.geometry import inverse, transform_points
from tests.support.efield import make_synthetic_table
from tests.support.scaled import KNOB_MM, ball_setup


@pytest.fixture(scope="module")
def head() -> TableSetup:
    return ball_setup()[0]


def test_a_round_coil_has_its_focus_under_its_winding_the_others_at_their_centre() -> (
    None
):
    x, y, z = focus_of(round_coil())
    assert -60.0 < x < -33.0
    assert (y, z) == (0.0, 0.0)
    assert not focus_of(demo_coil()).any()
    assert not focus_of(double_cone_coil()).any()


@pytest.mark.parametrize("coil", [demo_coil(), round_coil(), double_cone_coil()])
def test_every_coil_is_planned_within_the_region_with_its_field_at_the_target(
    coil: CoilDipoles, head: TableSetup
) -> None:
    setup = setup_for_coil(head, coil)
    pose = setup.region.planned_head_from_coil
    guard = RegionGuard(setup.region, coil.winding_mm)
    assert guard.fault(pose) is None
    assert guard.nearest_winding_mm(pose) == pytest.approx(5.5, abs=0.01)
    rng = np.random.default_rng(1)
    around = KNOB_MM + rng.normal(size=(2000, 3))
    around *= np.linalg.norm(KNOB_MM) / np.linalg.norm(around, axis=1, keepdims=True)
    everywhere = rng.normal(size=(2000, 3))
    everywhere *= np.linalg.norm(KNOB_MM) / np.linalg.norm(
        everywhere, axis=1, keepdims=True
    )

    def strongest(points_mm: np.ndarray) -> float:
        field = didt_a(coil, transform_points(inverse(pose), points_mm))
        return float(np.linalg.norm(field, axis=1).max())

    # A double cone's wings are nearer to the head than its fold.
    share = 0.3 if coil.name == "double-cone" else 0.8
    assert strongest(around) > share * strongest(everywhere)
    # The handle keeps its direction, as far as the scalp lets it.
    planned = head.region.planned_head_from_coil
    assert pose[:3, 1] @ planned[:3, 1] > 0.8


def test_a_heads_own_coil_keeps_its_planned_pose_to_the_bit(head: TableSetup) -> None:
    assert setup_for_coil(head, demo_coil()) is head


def test_a_table_of_a_round_coil_does_not_say_where_the_target_is() -> None:
    table, mesh = make_synthetic_table(), ball_setup()[1]
    with pytest.raises(ConfigError, match="--like"):
        setup_like(table, mesh, round_coil(), lambda *_: None)
