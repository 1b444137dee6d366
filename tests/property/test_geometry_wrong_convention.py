"""A pose read in another program's convention never looks right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.geometry import (
    CoilConvention,
    HeadExpectation,
    head_from_coil_simnibs,
    inverse,
    matrix_from_euler_sxyz,
    pose_findings,
)
from m2m_rt.units import F64

CENTRE_MM = np.array((0.0, -15.0, 20.0))
OVER_LEFT_M1 = np.array((-0.45, -0.05, 0.85)) / np.linalg.norm((-0.45, -0.05, 0.85))
FORWARD = np.array((0.0, 1.0, 0.0))

angles = st.floats(-15.0, 15.0)
conventions = st.sampled_from(CoilConvention)


def held_coil(tilt_x: float, tilt_y: float, turn: float) -> F64:
    """Return a coil over the left motor cortex, handle backwards, SimNIBS."""
    z = -OVER_LEFT_M1
    x = np.cross(FORWARD, z)
    x /= np.linalg.norm(x)
    held = np.eye(4)
    held[:3] = np.column_stack((x, np.cross(z, x), z, CENTRE_MM + 100 * OVER_LEFT_M1))
    return held @ matrix_from_euler_sxyz(np.zeros(3), np.array((tilt_x, tilt_y, turn)))


def native(head_from_coil: F64, convention: CoilConvention) -> F64:
    """Return what a program of the convention would send: world and axes undone."""
    one = head_from_coil_simnibs(
        matrix_from_euler_sxyz(np.array((1.0, 2.0, 3.0)), np.zeros(3)), convention
    )
    assert one is not None
    axes = np.eye(4)
    axes[:3, :3] = one[:3, :3]
    if convention is not CoilConvention.LOCALITE_LPS:
        return head_from_coil @ inverse(axes)
    to_lps = np.diag((-1.0, -1.0, 1.0, 1.0))
    return to_lps @ head_from_coil @ inverse(to_lps @ axes)


@pytest.mark.parametrize("convention", CoilConvention)
def test_pose_read_as_it_was_sent_is_the_same(convention: CoilConvention) -> None:
    held = held_coil(5.0, -10.0, 15.0)
    converted = head_from_coil_simnibs(native(held, convention), convention)
    np.testing.assert_allclose(converted, held, atol=1e-12)


@given(tilt_x=angles, tilt_y=angles, turn=angles, sent=conventions, read=conventions)
@settings(max_examples=300, deadline=None)
def test_pose_has_no_fault_only_if_read_as_it_was_sent(
    tilt_x: float,
    tilt_y: float,
    turn: float,
    sent: CoilConvention,
    read: CoilConvention,
) -> None:
    held = held_coil(tilt_x, tilt_y, turn)
    head = HeadExpectation(centre_mm=CENTRE_MM, handle_prolongation=FORWARD)
    converted = head_from_coil_simnibs(native(held, sent), read)
    assert converted is not None
    is_same = bool(np.allclose(converted, held, atol=1e-9))
    assert bool(pose_findings(converted, head)) is not is_same
