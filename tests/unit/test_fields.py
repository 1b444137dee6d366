"""The field of a stimulus, where a shift of the registration was found."""

import numpy as np

from m2m_rt.nodes.fields import NO_SHIFT, FieldSource, Stimulus
from m2m_rt.units import F32
from tests.support.efield import planned_pose
from tests.support.predicting import small_lookup

SHIFT_MM = (5.0, 0.0)


def source() -> FieldSource:
    return FieldSource(small_lookup(), rmt_pct_mso=50.0)


def beside(mm: float) -> Stimulus:
    """Return a stimulus so far from the planned one, along the planned x axis."""
    pose = planned_pose()
    pose[:3, 3] += mm * pose[:3, 0]
    return Stimulus(pose, 60.0)


def is_answered(mm: float) -> bool:
    return not isinstance(source().at(beside(mm), NO_SHIFT), str)


def edge_mm() -> float:
    """Return the last whole millimetre that the table answers, on the side of −x."""
    return next(mm for mm in np.arange(0.0, -100.0, -1.0) if not is_answered(mm)) + 1.0


def field(mm: float, shift_mm: tuple[float, float]) -> F32:
    found = source().at(beside(mm), shift_mm)
    assert not isinstance(found, str)
    return found


def test_a_shift_moves_the_pose_that_is_looked_up() -> None:
    np.testing.assert_allclose(field(-2.0, SHIFT_MM), field(3.0, NO_SHIFT), rtol=1e-5)


def test_where_the_table_ends_a_shift_is_left_out() -> None:
    edge, away = edge_mm(), (-5.0, 0.0)
    np.testing.assert_array_equal(field(edge, away), field(edge, NO_SHIFT))


def test_a_pose_that_the_table_refuses_is_refused_whatever_the_shift() -> None:
    outside = beside(edge_mm() - 2.0)
    reasons = [source().at(outside, shift) for shift in (NO_SHIFT, SHIFT_MM)]
    assert isinstance(reasons[0], str)
    assert reasons[0] == reasons[1]
